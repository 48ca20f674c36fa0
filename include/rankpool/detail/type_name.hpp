#pragma once

#include <string>
#include <typeinfo>

namespace rankpool::inline v0_2::detail {

/// A mangled name as its user writes it: without the inline namespace of rankpool's version. What cannot be demangled
/// stays as it is.
std::string readable_name(const char* mangled);

inline std::string type_name(const std::type_info& type) { return readable_name(type.name()); }

}  // namespace rankpool::inline v0_2::detail
