#pragma once

#include <rankpool/detail/fields.hpp>
#include <rankpool/detail/static_name.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// The types of std that the library knows: what each is made of. They are told by their members where that spares users
// the header.
namespace rankpool::inline v0_2::detail {

enum class Shape {
  unknown,
  bytes,  ///< means the same everywhere, if its parts do
  text,
  path,
  container,
  valarray,
  adaptor,
  array,
  pair,
  tuple,
  optional,
  variant,
  unique_pointer,
  shared_pointer,
  weak_pointer,
  error_code,
};
template <Shape is, class... Part>
struct ShapeOf {
  static constexpr Shape shape = is;
  using Parts = Types<Part...>;
};

template <class T>
concept StdContainer = from_std<T> && requires(T& container) {
  typename T::value_type;
  typename T::size_type;
  container.begin();
  container.end();
  container.clear();
} &&(
    requires(T& c, typename T::value_type&& v) { c.emplace_back(std::move(v)); } ||
    requires(T & c, typename T::value_type&& v) { c.emplace_front(std::move(v)); } ||
    requires(T & c, typename T::value_type&& v) { c.emplace_hint(c.end(), std::move(v)); });
/// std::stack, std::queue, std::priority_queue.
template <class T>
concept StdAdaptor = from_std<T> && requires(T& adaptor) {
  typename T::container_type;
  typename T::size_type;
  adaptor.empty();
  adaptor.pop();
};
template <class T>
concept StdPath = name_of_type<T>()
.starts_with("std::filesystem::") && requires(const T& path) {
  typename T::string_type;
  path.native();
};
/// Classes of std that hold nothing but numbers, and no rule of the compiler says so.
template <class T>
constexpr bool holds_numbers_only() {
  constexpr auto name = name_of_type<T>();
  if (name.starts_with("std::chrono::")) return name.find("zone") == std::string_view::npos;
  const auto family = name.substr(0, name.find('<'));
  return name.starts_with("std::bitset<") || name.starts_with("std::complex<") || family.ends_with("_ordering") ||
         family.ends_with("_engine") || family.ends_with("_distribution") || family == "std::filesystem::file_status";
}

template <class T>
struct Standard : ShapeOf<holds_numbers_only<T>() && std::is_trivially_copyable_v<T> ? Shape::bytes : Shape::unknown> {
};
template <StdContainer T>
struct Standard<T> : ShapeOf<Shape::container, typename T::value_type> {};
template <StdContainer T>
requires requires { typename T::mapped_type; }
struct Standard<T> : ShapeOf<Shape::container, typename T::key_type, typename T::mapped_type> {};
template <StdAdaptor T>
struct Standard<T> : ShapeOf<Shape::adaptor, typename T::container_type> {};
template <StdPath T>
struct Standard<T> : ShapeOf<Shape::path> {};
template <class T>
requires(name_of_type<T>().starts_with("std::valarray<")) struct Standard<T>
    : ShapeOf<Shape::valarray, typename T::value_type> {
};
template <class C, class Traits, class A>
struct Standard<std::basic_string<C, Traits, A>> : ShapeOf<Shape::text, C> {};
template <class T, std::size_t N>
struct Standard<std::array<T, N>> : ShapeOf<Shape::array, T> {};
template <class A, class B>
struct Standard<std::pair<A, B>> : ShapeOf<Shape::pair, A, B> {};
template <class... T>
struct Standard<std::tuple<T...>> : ShapeOf<Shape::tuple, T...> {};
template <class T>
struct Standard<std::optional<T>> : ShapeOf<Shape::optional, T> {};
template <class... T>
struct Standard<std::variant<T...>> : ShapeOf<Shape::variant, T...> {};
template <class T>
struct Standard<std::unique_ptr<T>> : ShapeOf<Shape::unique_pointer, T> {};
template <class T>
struct Standard<std::shared_ptr<T>> : ShapeOf<Shape::shared_pointer, T> {};
template <class T>
struct Standard<std::weak_ptr<T>> : ShapeOf<Shape::weak_pointer, T> {};
template <>
struct Standard<std::error_code> : ShapeOf<Shape::error_code> {};
template <>
struct Standard<std::error_condition> : ShapeOf<Shape::error_code> {};

/// Containers whose order or hash is part of their value: what is decoded would have another.
template <class Rule>
inline constexpr bool is_rule_of_type = std::is_empty_v<Rule>&& std::is_default_constructible_v<Rule>;
template <class T>
constexpr bool has_rule_of_value() {
  if constexpr (requires { typename T::hasher; }) {
    return !is_rule_of_type<typename T::hasher> || !is_rule_of_type<typename T::key_equal>;
  } else if constexpr (requires { typename T::key_compare; }) {
    return !is_rule_of_type<typename T::key_compare>;
  } else if constexpr (requires { typename T::value_compare; }) {
    return !is_rule_of_type<typename T::value_compare>;
  } else {
    return false;
  }
}

/// Whether it can be copied; containers say yes of whatever they hold.
template <class T>
constexpr bool can_be_copied();
template <class... Part>
constexpr bool can_all_be_copied(Types<Part...>) {
  return (can_be_copied<Part>() && ...);
}
template <class T>
constexpr bool can_be_copied() {
  if constexpr (!std::is_copy_constructible_v<T>) {
    return false;
  } else if constexpr (Standard<T>::shape == Shape::container || Standard<T>::shape == Shape::adaptor ||
                       Standard<T>::shape == Shape::optional || Standard<T>::shape == Shape::pair ||
                       Standard<T>::shape == Shape::tuple || Standard<T>::shape == Shape::variant) {
    return can_all_be_copied(typename Standard<T>::Parts{});
  } else {
    return true;
  }
}

/// What std::bind, std::bind_front and std::not_fn make, which is trivially copyable where all that it holds is.
template <class T>
inline constexpr bool is_std_wrapper =
    name_of_type<T>().starts_with("std::_Bind") || name_of_type<T>().starts_with("std::_Not_fn<");
/// Types between the angle brackets of a template.
template <class T>
struct TemplateArguments {
  using type = Types<>;
};
template <template <class...> class Template, class... Argument>
struct TemplateArguments<Template<Argument...>> {
  using type = Types<Argument...>;
};
template <template <class...> class Template, class F, class... Bound>
struct TemplateArguments<Template<F(Bound...)>> {
  using type = Types<F, Bound...>;
};

}  // namespace rankpool::inline v0_2::detail
