#pragma once

#include <rankpool/callable.hpp>
#include <rankpool/detail/codec.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

/// How a worker calls a task: as what its arguments are kept, how they are given to it, and what comes of it.
namespace rankpool::inline v0_2::detail {

/// What a task's result is kept as at home: text that owns itself in place of a view of it.
template <class R>
struct Home {
  using type = R;
};
template <>
struct Home<void> {
  using type = std::monostate;
};
template <class C, class Traits>
struct Home<std::basic_string_view<C, Traits>> {
  using type = std::basic_string<C, Traits>;
};

/// The types as which the arguments are kept.
template <class F, class Given, bool Known = Signature<F>::known>
struct StoredArguments;
template <class F, class... Given>
struct StoredArguments<F, std::tuple<Given...>, false> {
  using type = std::tuple<StoredType<Given>...>;
};
template <class F, class... Given>
struct StoredArguments<F, std::tuple<Given...>, true> {
  template <class T>
  struct Each;
  template <class... P>
  struct Each<std::tuple<P...>> {
    using type = std::tuple<typename StoredFor<P>::type...>;
  };
  using type = typename Each<typename Signature<F>::Parameters>::type;
};

/// The parameter of F for its argument at `Place`; what is not known is taken by const reference.
template <class F, std::size_t Place, class S>
constexpr auto parameter() {
  if constexpr (Signature<F>::known) {
    return std::type_identity<std::tuple_element_t<Place, typename Signature<F>::Parameters>>{};
  } else {
    return std::type_identity<const S&>{};
  }
}
/// A parameter that is taken by value gets the argument itself, which was decoded for this run alone; others see it as
/// a const value.
template <class F, std::size_t Place, class S>
decltype(auto) hand_over(S& argument) {
  using P = typename decltype(parameter<F, Place, S>())::type;
  if constexpr (std::is_pointer_v<std::decay_t<P>> && !std::is_pointer_v<S>) {
    return argument.c_str();
  } else if constexpr (std::is_lvalue_reference_v<P>) {
    return std::as_const(argument);
  } else {
    return std::move(argument);
  }
}
template <class F, class... S, std::size_t... Place>
constexpr auto result_of_call(std::index_sequence<Place...>) {
  if constexpr (std::is_invocable_v<const F&, decltype(hand_over<F, Place>(std::declval<S&>()))...>) {
    return std::type_identity<
        std::remove_cvref_t<std::invoke_result_t<const F&, decltype(hand_over<F, Place>(std::declval<S&>()))...>>>{};
  }
}
/// A std::type_identity of what the call returns; void if it cannot be called so.
template <class F, class... S>
using ResultOfCall = decltype(result_of_call<F, S...>(std::index_sequence_for<S...>{}));

}  // namespace rankpool::inline v0_2::detail
