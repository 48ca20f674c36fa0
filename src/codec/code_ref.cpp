#include "codec/read_beyond.hpp"

#include <rankpool/detail/code_ref.hpp>

#include <rankpool/errors.hpp>

#include <elf.h>
#include <link.h>
#include <array>
#include <cstring>
#include <future>
#include <ios>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

struct Segment {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
struct Module {
  std::uint64_t identity = 0;
  std::uint64_t base = 0;
  std::string name;
  std::vector<Segment> code;
  std::vector<Segment> memory;  ///< all that is loaded, code and data
};

std::uint64_t hash(std::uint64_t seed, const void* data, std::size_t size) {
  // FNV-1a: the identities of a handful of modules must differ, no more.
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) seed = (seed ^ bytes[i]) * 0x100000001b3ULL;
  return seed;
}

bool hash_build_id(const dl_phdr_info& info, const ElfW(Phdr) & header, std::uint64_t& identity) {
  const auto* at = reinterpret_cast<const char*>(info.dlpi_addr + header.p_vaddr);
  const char* const end = at + header.p_memsz;
  while (at + sizeof(ElfW(Nhdr)) <= end) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const char* const name = at + sizeof note;
    const char* const content = name + ((note.n_namesz + 3U) & ~3U);
    if (content + note.n_descsz > end) return false;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      identity = hash(identity, content, note.n_descsz);
      return true;
    }
    at = content + ((note.n_descsz + 3U) & ~3U);
  }
  return false;
}

int add_module(dl_phdr_info* info, std::size_t, void* to) {
  auto& modules = *static_cast<std::vector<Module>*>(to);
  Module module;
  module.base = info->dlpi_addr;
  if (info->dlpi_name != nullptr) module.name = info->dlpi_name;
  std::uint64_t identity = 0xcbf29ce484222325ULL;
  bool has_build_id = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0) {
      module.code.push_back({header.p_vaddr, header.p_vaddr + header.p_memsz});
    }
    if (header.p_type == PT_LOAD) module.memory.push_back({header.p_vaddr, header.p_vaddr + header.p_memsz});
    if (header.p_type == PT_NOTE && !has_build_id) has_build_id = hash_build_id(*info, header, identity);
  }
  if (!has_build_id) {
    // Without a build id the name and the layout have to do.
    const std::string_view file = std::string_view(module.name).substr(module.name.rfind('/') + 1);
    identity = hash(identity, file.data(), file.size());
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      identity = hash(identity, &info->dlpi_phdr[i].p_vaddr, sizeof info->dlpi_phdr[i].p_vaddr);
      identity = hash(identity, &info->dlpi_phdr[i].p_memsz, sizeof info->dlpi_phdr[i].p_memsz);
    }
  }
  module.identity = identity;
  modules.push_back(std::move(module));
  return 0;
}

/// The modules of this process, read again when something is not found: libraries may have been loaded since.
class Modules {
 public:
  template <class Find>
  auto find(Find&& find) {
    {
      const std::shared_lock lock(mutex_);
      if (auto found = find(modules_)) return found;
    }
    const std::unique_lock lock(mutex_);
    modules_.clear();
    ::dl_iterate_phdr(add_module, &modules_);
    return find(modules_);
  }

 private:
  std::shared_mutex mutex_;
  std::vector<Module> modules_;
};

struct StandardCategory {
  CategoryRef::Kind kind;
  const std::error_category* category;
};
std::array<StandardCategory, 4> standard_categories() {
  using Kind = CategoryRef::Kind;
  return {{{Kind::generic, &std::generic_category()},
           {Kind::system, &std::system_category()},
           {Kind::iostream, &std::iostream_category()},
           {Kind::future, &std::future_category()}}};
}

Modules& modules() {
  static Modules* const instance = new Modules;  // used until the very end of the process
  return *instance;
}

bool contains(const std::vector<Segment>& segments, std::uint64_t offset, std::uint64_t size = 1) {
  for (const auto& segment : segments) {
    if (offset >= segment.begin && offset < segment.end && segment.end - offset >= size) return true;
  }
  return false;
}

std::optional<CodeRef> find_ref(const void* place, std::vector<Segment> Module::*segments) {
  const auto address = reinterpret_cast<std::uint64_t>(place);
  return modules().find([&](const std::vector<Module>& all) -> std::optional<CodeRef> {
    for (const auto& module : all) {
      if (address >= module.base && contains(module.*segments, address - module.base)) {
        return CodeRef{module.identity, address - module.base};
      }
    }
    return std::nullopt;
  });
}
const void* find_place(CodeRef ref, std::uint64_t size, std::vector<Segment> Module::*segments) {
  const auto found = modules().find([&](const std::vector<Module>& all) -> std::optional<std::uint64_t> {
    for (const auto& module : all) {
      if (module.identity == ref.module && contains(module.*segments, ref.offset, size))
        return module.base + ref.offset;
    }
    return std::nullopt;
  });
  return reinterpret_cast<const void*>(found.value_or(0));
}

}  // namespace

CodeRef code_ref(const void* code) {
  const auto found = find_ref(code, &Module::code);
  if (!found) throw SerializationError("a task's code is in no loaded module of this program");
  return *found;
}

const void* resolve(CodeRef ref) {
  const void* const code = find_place(ref, 1, &Module::code);
  if (code == nullptr) {
    throw SerializationError(
        "the task's code is not in this process: it is in a library that was loaded after rankpool::run(), or the "
        "ranks run different builds");
  }
  return code;
}

CategoryRef category_ref(const std::error_category& category) {
  CategoryRef ref;
  for (const auto& [kind, known] : standard_categories()) {
    if (category == *known) {
      ref.kind = kind;
      return ref;
    }
  }
  const void* table = nullptr;
  std::memcpy(&table, static_cast<const void*>(&category), sizeof table);
  const auto object_at = find_ref(&category, &Module::memory);
  const auto table_at = find_ref(table, &Module::memory);
  if (!object_at || !table_at) {
    throw SerializationError(std::string("the error category \"") + category.name() +
                             "\" is not a static object of the program");
  }
  ref.kind = CategoryRef::Kind::own;
  ref.object = *object_at;
  ref.table = *table_at;
  return ref;
}

const std::error_category& resolve_category(const CategoryRef& ref) {
  for (const auto& [kind, known] : standard_categories()) {
    if (ref.kind == kind) return *known;
  }
  const void* const object = find_place(ref.object, sizeof(std::error_category), &Module::memory);
  const void* const table = find_place(ref.table, sizeof(void*), &Module::memory);
  const void* table_of_object = nullptr;
  if (object != nullptr && reinterpret_cast<std::uintptr_t>(object) % alignof(std::error_category) == 0) {
    table_of_object = read_beyond<const void*>(object);
  }
  if (ref.kind != CategoryRef::Kind::own || table_of_object == nullptr || table_of_object != table) {
    throw SerializationError("the category of an error code is not in this process, or not made yet");
  }
  return *static_cast<const std::error_category*>(object);
}

std::uint64_t build_identity() {
  const auto found = modules().find([](const std::vector<Module>& all) -> std::optional<std::uint64_t> {
    if (all.empty()) return std::nullopt;
    return all.front().identity;
  });
  return found.value_or(0);
}

}  // namespace rankpool::inline v0_2::detail
