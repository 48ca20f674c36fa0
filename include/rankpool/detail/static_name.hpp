#pragma once

#include <string_view>

// What the compiler calls a type. Nothing else tells a closure from other classes, or a class of std from the
// program's.
namespace rankpool::inline v0_2::detail {

/// GCC: "... [with T = app()::<lambda(int)>]"; Clang: "... [T = (lambda at app.cpp:3:5)]".
template <class T>
consteval const char* pretty_name() {
  return __PRETTY_FUNCTION__;
}

template <class T>
consteval std::string_view name_of_type() {
  std::string_view name = pretty_name<T>();
  name.remove_prefix(name.find("T = ") + 4);
  name.remove_suffix(1);
  return name;
}

/// Whether this is how a compiler names a lambda's type, and not one that has a lambda somewhere in its name.
constexpr bool names_closure(std::string_view name) {
  if (name.starts_with("(lambda at ")) return true;  // Clang
  // GCC: "f()::<lambda(int) mutable>" ends with the lambda's own parameters, not with those of a template around it.
  const auto lambda = name.rfind("<lambda(");
  if (lambda == std::string_view::npos) return false;
  int depth = 0;
  for (std::size_t i = lambda; i < name.size(); ++i) {
    const char c = name[i];
    depth += c == '<' || c == '(' ? 1 : c == '>' || c == ')' ? -1 : 0;
    if (depth == 0) return i + 1 == name.size() || name.substr(i + 1).starts_with(" [with ");
  }
  return false;
}
template <class T>
inline constexpr bool is_closure = names_closure(name_of_type<T>());

/// Class types without a name of their own.
template <class T>
inline constexpr bool is_unnamed =
    name_of_type<T>().ends_with("<unnamed struct>") || name_of_type<T>().ends_with("<unnamed union>") ||
    name_of_type<T>().find("(unnamed ") != std::string_view::npos
    || name_of_type<T>().find("(anonymous struct at") != std::string_view::npos
    || name_of_type<T>().find("(anonymous union at") != std::string_view::npos;

template <class T>
inline constexpr bool from_std = name_of_type<T>().starts_with("std::") || name_of_type<T>().starts_with("__gnu_cxx::");
template <class T>
inline constexpr bool from_boost = name_of_type<T>().starts_with("boost::");

}  // namespace rankpool::inline v0_2::detail
