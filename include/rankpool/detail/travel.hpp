#pragma once

#include <rankpool/detail/fields.hpp>
#include <rankpool/detail/own_serialize.hpp>
#include <rankpool/detail/standard.hpp>
#include <rankpool/detail/static_name.hpp>

#include <concepts>
#include <string_view>
#include <type_traits>

// What travels, and how. Callables, arguments, results, members of values, shared values and broadcasts ask `judge`,
// before anything of their type is instantiated, so that a refusal is one sentence.
namespace rankpool::inline v0_2::detail {

enum class Way {
  bytes,     ///< the bytes of the object are the encoded value
  code,      ///< a function: where it stands in the program
  standard,  ///< a type of std, part by part (`containers.hpp`, `pointers.hpp`; `direct.hpp` where no archive is
             ///< needed)
  fields,    ///< an aggregate, member by member
  archive,   ///< by the type's own serialisation
};
enum class Why {
  pointer,
  reference,
  view,
  std_handle,
  boost_handle,
  std_function,
  std_any,
  std_wrapper,
  closure,
  member_function,
  rule_of_value,
  no_serialize,
  split_without_macro,
  no_default_constructor,
  eigen_header,
  eigen_expression,
  future,
  // Of a task as a whole:
  reference_parameter,
  number_of_arguments,
  argument_type,
  not_const,
  not_invocable,
};

template <Way is>
struct Travels {
  static constexpr bool refused = false;
  static constexpr Way way = is;
};
/// Culprit: the type that is at fault, however deep in the value.
template <Why is, class Culprit>
struct Refused {
  static constexpr bool refused = true;
  static constexpr Why why = is;
};

/// A whole of several parts travels as its bytes if all of them do, and not if one does not.
template <Way a, Way b>
constexpr auto operator+(Travels<a>, Travels<b>) {
  return Travels < a == Way::bytes && b == Way::bytes ? Way::bytes : Way::standard > {};
}
template <Way a, Why why, class Culprit>
constexpr auto operator+(Travels<a>, Refused<why, Culprit> refused) {
  return refused;
}
template <Why why, class Culprit, class Other>
constexpr auto operator+(Refused<why, Culprit> refused, Other) {
  return refused;
}

template <class T>
inline constexpr bool is_function_pointer = std::is_pointer_v<T>&& std::is_function_v<std::remove_pointer_t<T>>;
/// Class types of other libraries that mean the same as their bytes; their headers say so (`rankpool/eigen.hpp`).
template <class T>
inline constexpr bool known_bytes = false;
/// The library's own types that hold values of others.
template <class T>
struct HeldBy {
  using type = Types<>;
};

template <class T, class... Inside>
constexpr auto judge();

/// A value that the library has to make before it can be decoded.
template <class T, class... Inside>
constexpr auto judge_made() {
  using Verdict = decltype(judge<T, Inside...>());
  using Plain = std::remove_cv_t<T>;
  if constexpr (Verdict::refused) {
    return Verdict{};
  } else if constexpr (Verdict::way == Way::bytes || std::is_default_constructible_v<Plain> ||
                       (Verdict::way == Way::archive && (std::is_abstract_v<Plain> || BoostConstructible<Plain>)) ||
                       std::is_array_v<Plain>) {
    return Verdict{};
  } else {
    return Refused<Why::no_default_constructor, Plain>{};
  }
}
template <class... Inside, class... Part>
constexpr auto judge_parts(Types<Part...>) {
  return (Travels<Way::bytes>{} + ... + judge_made<Part, Inside...>());
}

/// A lambda with captures that is an argument of a template: the class is made to hold it.
template <class T>
constexpr auto judge_holder();
template <class... Argument>
constexpr auto judge_template_arguments(Types<Argument...>) {
  return (Travels<Way::bytes>{} + ... + judge_holder<Argument>());
}
template <class T>
constexpr auto judge_holder() {
  if constexpr (is_closure<T>) {
    if constexpr (std::is_empty_v<T>) {
      return Travels<Way::bytes>{};
    } else {
      return Refused<Why::closure, T>{};
    }
  } else {
    return judge_template_arguments(typename TemplateArguments<T>::type{});
  }
}

template <class T, class... Inside>
constexpr auto judge_fields() {
  constexpr std::size_t count = field_count<T>();
  if constexpr (count == kHasReference) {
    return Refused<Why::reference, T>{};
  } else if constexpr (count == kOpaque) {
    return Refused<Why::no_serialize, T>{};
  } else {
    using Verdict = decltype([]<class... Field>(Types<Field...>) {
      return (Travels<Way::bytes>{} + ... + judge<Field, T, Inside...>());
    }(FieldTypes<T>{}));
    if constexpr (Verdict::refused) {
      return Verdict{};
    } else if constexpr (Verdict::way == Way::bytes && std::is_trivially_copyable_v<T>) {
      return Travels<Way::bytes>{};
    } else if constexpr (fields_can_be_visited<T>) {
      return Travels<Way::fields>{};
    } else {
      return Refused<Why::no_serialize, T>{};
    }
  }
}

template <class T, class... Inside>
constexpr auto judge_standard() {
  constexpr std::string_view name = name_of_type<T>();
  if constexpr (Standard<T>::shape == Shape::bytes) {
    return Travels<Way::bytes>{};
  } else if constexpr (Standard<T>::shape != Shape::unknown) {
    using Verdict = decltype(judge_parts<Inside...>(typename Standard<T>::Parts{}));
    if constexpr (Verdict::refused) {
      return Verdict{};
    } else if constexpr (has_rule_of_value<T>()) {
      return Refused<Why::rule_of_value, T>{};
    } else if constexpr (Verdict::way == Way::bytes && std::is_trivially_copyable_v<T> &&
                         Standard<T>::shape != Shape::error_code) {
      return Travels<Way::bytes>{};
    } else {
      return Travels<Way::standard>{};
    }
  } else if constexpr (is_std_wrapper<T>) {
    using Verdict = decltype(judge_parts<Inside...>(typename TemplateArguments<T>::type{}));
    if constexpr (Verdict::refused) {
      return Verdict{};
    } else if constexpr (Verdict::way == Way::bytes && std::is_trivially_copyable_v<T>) {
      return Travels<Way::bytes>{};
    } else {
      return Refused<Why::std_wrapper, T>{};
    }
  } else if constexpr (std::is_empty_v<T> && std::is_trivially_copyable_v<T>) {
    return Travels<Way::bytes>{};
  } else if constexpr (name.starts_with("std::function<") || name.starts_with("std::move_only_function<")) {
    return Refused<Why::std_function, T>{};
  } else if constexpr (name == "std::any") {
    return Refused<Why::std_any, T>{};
  } else if constexpr (name.starts_with("std::reference_wrapper<")) {
    return Refused<Why::reference, T>{};
  } else if constexpr (name.starts_with("std::basic_string_view<") || name.starts_with("std::span<") ||
                       name.starts_with("std::initializer_list<") || name.starts_with("std::ranges::") ||
                       name.find("iterator") != std::string_view::npos) {
    return Refused<Why::view, T>{};
  } else if constexpr (HasOwnSerialize<T>) {
    return Travels<Way::archive>{};
  } else if constexpr (std::is_aggregate_v<T> && std::is_trivially_copyable_v<T>) {
    return judge_fields<T, Inside...>();
  } else if constexpr (from_boost<T>) {
    return Refused<Why::boost_handle, T>{};
  } else {
    return Refused<Why::std_handle, T>{};
  }
}

template <class T, class... Inside>
constexpr auto judge_class() {
  constexpr std::string_view name = name_of_type<T>();
  if constexpr (HasOwnSerialize<T>) {
    using Held = decltype(judge_parts<Inside...>(typename HeldBy<T>::type{}));
    if constexpr (Held::refused) {
      return Held{};
    } else {
      return Travels<Way::archive>{};
    }
  } else if constexpr (is_closure<T>) {
    return judge_holder<T>();
  } else if constexpr (HasSplitOnly<T>) {
    return Refused<Why::split_without_macro, T>{};
  } else if constexpr (name.starts_with("rankpool::") && name.find("::Future<") < name.find('<')) {
    return Refused<Why::future, T>{};
  } else if constexpr (name.starts_with("Eigen::Matrix<") || name.starts_with("Eigen::Array<") ||
                       name.starts_with("Eigen::Quaternion<") || name.starts_with("Eigen::Transform<") ||
                       name.starts_with("Eigen::AngleAxis<") || name.starts_with("Eigen::Translation<")) {
    return Refused<Why::eigen_header, T>{};
  } else if constexpr (name.starts_with("Eigen::")) {
    return Refused<Why::eigen_expression, T>{};
  } else if constexpr (std::is_empty_v<T> && std::is_trivially_copyable_v<T>) {
    return Travels<Way::bytes>{};
  } else {
    using Holder = decltype(judge_holder<T>());
    if constexpr (Holder::refused) {
      return Holder{};
    } else if constexpr (std::is_aggregate_v<T> && !std::is_union_v<T>) {
      using Verdict = decltype(judge_fields<T, Inside...>());
      // What cannot be looked into travels as any other trivially copyable class.
      if constexpr (field_count<T>() == kOpaque && std::is_trivially_copyable_v<T>) {
        return Travels<Way::bytes>{};
      } else {
        return Verdict{};
      }
    } else if constexpr (std::is_trivially_copyable_v<T>) {
      return Travels<Way::bytes>{};
    } else {
      return Refused<Why::no_serialize, T>{};
    }
  }
}

/// Travels or Refused. Inside: the aggregates that are being looked into; one that holds itself travels if the rest
/// does.
template <class T, class... Inside>
constexpr auto judge() {
  if constexpr (std::is_reference_v<T>) {
    return Refused<Why::reference, T>{};
  } else if constexpr (std::is_const_v<T> || std::is_volatile_v<T>) {
    return judge<std::remove_cv_t<T>, Inside...>();
  } else if constexpr ((std::is_same_v<T, Inside> || ...)) {
    return Travels<Way::fields>{};
  } else if constexpr (std::is_bounded_array_v<T>) {
    return judge_made<std::remove_extent_t<T>, Inside...>() + Travels<Way::bytes>{};
  } else if constexpr (is_function_pointer<T>) {
    return Travels<Way::code>{};
  } else if constexpr (std::is_pointer_v<T> || std::is_unbounded_array_v<T> || std::is_void_v<T>) {
    return Refused<Why::pointer, T>{};
  } else if constexpr (std::is_member_function_pointer_v<T>) {
    return Refused<Why::member_function, T>{};
  } else if constexpr (!std::is_class_v<T> && !std::is_union_v<T>) {
    return Travels<Way::bytes>{};
  } else if constexpr (known_bytes<T>) {
    return Travels<Way::bytes>{};
  } else if constexpr (from_std<T> || from_boost<T>) {
    return judge_standard<T, Inside...>();
  } else {
    return judge_class<T, Inside...>();
  }
}

template <class T>
using VerdictOn = decltype(judge<std::remove_cv_t<T>>());
template <class T>
using VerdictOnMade = decltype(judge_made<std::remove_cv_t<T>>());
template <class T>
inline constexpr bool travels = !VerdictOnMade<T>::refused;

template <class T>
constexpr bool is_bytes() {
  if constexpr (VerdictOn<T>::refused) {
    return false;
  } else {
    return VerdictOn<T>::way == Way::bytes;
  }
}
/// Values of such types travel as their bytes.
template <class T>
inline constexpr bool plain_bytes = !std::is_array_v<T> && is_bytes<T>();

}  // namespace rankpool::inline v0_2::detail
