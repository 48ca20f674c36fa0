#include <rankpool/detail/type_name.hpp>

#include <boost/core/demangle.hpp>

#include <string_view>

namespace rankpool::inline v0_2::detail {

std::string readable_name(const char* mangled) {
  constexpr std::string_view kVersion = "v0_2::";
  constexpr std::string_view kVersioned = "rankpool::v0_2::";
  std::string name = boost::core::demangle(mangled);
  for (auto at = name.find(kVersioned); at != std::string::npos; at = name.find(kVersioned, at)) {
    at += kVersioned.size() - kVersion.size();
    name.erase(at, kVersion.size());
  }
  return name;
}

}  // namespace rankpool::inline v0_2::detail
