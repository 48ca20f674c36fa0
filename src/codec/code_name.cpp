#include <rankpool/detail/code_ref.hpp>
#include <rankpool/detail/type_name.hpp>

#include <dlfcn.h>
#include <cstdio>

#ifdef RANKPOOL_HAS_BACKTRACE
#include <backtrace.h>
#endif

namespace rankpool::inline v0_2::detail {
namespace {

#ifdef RANKPOOL_HAS_BACKTRACE
void ignore_trouble(void*, const char*, int) {}

std::string symbol_at(const void* code) {
  // Reads the program's symbols once, at the first name that is asked for.
  static backtrace_state* const state = ::backtrace_create_state(nullptr, 1, ignore_trouble, nullptr);
  std::string name;
  const auto keep = [](void* to, std::uintptr_t, const char* symbol, std::uintptr_t, std::uintptr_t) {
    if (symbol != nullptr) *static_cast<std::string*>(to) = symbol;
  };
  if (state != nullptr) ::backtrace_syminfo(state, reinterpret_cast<std::uintptr_t>(code), keep, ignore_trouble, &name);
  return name;
}
#else
std::string symbol_at(const void*) { return {}; }
#endif

}  // namespace

std::string code_name(const void* code) {
  Dl_info info{};
  const bool found = ::dladdr(code, &info) != 0;
  std::string symbol = found && info.dli_saddr == code && info.dli_sname != nullptr ? info.dli_sname : symbol_at(code);
  if (!symbol.empty()) return readable_name(symbol.c_str());
  if (!found || info.dli_fname == nullptr) return "a function without a name";
  char place[32];
  std::snprintf(place, sizeof place, "%zx",
                static_cast<std::size_t>(static_cast<const char*>(code) - static_cast<const char*>(info.dli_fbase)));
  const std::string module = info.dli_fname;
  return "the function at 0x" + std::string(place) + " in " + module.substr(module.rfind('/') + 1);
}

}  // namespace rankpool::inline v0_2::detail
