#pragma once

#include <rankpool/detail/call.hpp>
#include <rankpool/detail/refusals.hpp>
#include <rankpool/detail/task.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>

/// Which task a callable and its arguments make, or why none.
namespace rankpool::inline v0_2::detail {

/// Stands in for the result of a task that cannot be called, so that nothing but the one sentence is said of it.
struct NoResult {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor)
  template <class Stream>
  friend Stream& operator<<(Stream& to, const NoResult&) {
    return to;
  }
};
/// Stands in for a task that is refused.
template <class R>
struct RefusedTask {
  using Returned = R;
  using Result = typename Home<R>::type;
  static constexpr bool fixed_arguments = false;
  static constexpr std::size_t stride = 0;
  template <class T>
  static constexpr bool takes_as_is = false;
  static void encode_head(Bytes&, const auto&) {}
  static void encode_item(Bytes&, const auto&...) {}
  static void encode_skipped(Bytes&) {}
};

template <Role role, class Whole, class Verdict>
struct Refusal {};
template <class F>
constexpr bool has_changing_parameter() {
  if constexpr (Signature<F>::known) {
    return []<class... P>(std::type_identity<std::tuple<P...>>) {
      return (is_changing_parameter<P> || ...);
    }(std::type_identity<typename Signature<F>::Parameters>{});
  } else {
    return false;
  }
}
/// The first of the arguments that does not travel.
template <class S, class... More>
constexpr auto refusal_of_arguments() {
  if constexpr (!travels<S>) {
    return Refusal<Role::argument, S, VerdictOnMade<S>>{};
  } else if constexpr (sizeof...(More) > 0) {
    return refusal_of_arguments<More...>();
  }
}
/// Whether F is given as many arguments as it takes.
template <class F, std::size_t given>
constexpr bool takes_arguments() {
  if constexpr (Signature<F>::known) {
    return Signature<F>::arity == given;
  } else {
    return true;
  }
}
template <class F, class... Given, class... S>
constexpr auto judge_arguments(std::type_identity<std::tuple<S...>>) {
  using Refusing = decltype([] {
    if constexpr (sizeof...(S) > 0) return refusal_of_arguments<S...>();
  }());
  if constexpr (!std::is_void_v<Refusing>) {
    return Refusing{};
  } else if constexpr (!(can_be_stored<S, Given>() && ...)) {
    return Refusal<Role::callable, F, Refused<Why::argument_type, std::tuple<Given...>>>{};
  } else {
    using Called = ResultOfCall<F, S...>;
    if constexpr (std::is_void_v<Called>) {
      constexpr bool not_const = std::is_invocable_v<F&, S&...>;
      return Refusal<Role::callable, F, Refused<not_const ? Why::not_const : Why::not_invocable, F>>{};
    } else {
      using Result = typename Home<typename Called::type>::type;
      if constexpr (!travels<Result>) {
        return Refusal<Role::result, Result, VerdictOnMade<Result>>{};
      } else {
        return std::type_identity<Task<F, S...>>{};
      }
    }
  }
}
/// A std::type_identity of the Task that F and arguments of the given types make, or the Refusal.
template <class F, class... Given>
constexpr auto judge_task() {
  if constexpr (!travels<F>) {
    return Refusal<Role::callable, F, VerdictOnMade<F>>{};
  } else if constexpr (has_changing_parameter<F>()) {
    return Refusal<Role::callable, F, Refused<Why::reference_parameter, F>>{};
  } else if constexpr (!takes_arguments<F, sizeof...(Given)>()) {
    return Refusal<Role::callable, F, Refused<Why::number_of_arguments, F>>{};
  } else {
    return judge_arguments<F, Given...>(std::type_identity<typename StoredArguments<F, std::tuple<Given...>>::type>{});
  }
}

template <class F, class... Given, class T>
constexpr auto accept_or_refuse(std::type_identity<T>) {
  return std::type_identity<T>{};
}
template <class F, class... Given, Role role, class Whole, class Verdict>
constexpr auto accept_or_refuse(Refusal<role, Whole, Verdict>) {
  refuse<role, Whole>(Verdict{});
  if constexpr (std::is_invocable_v<F&, StoredType<Given>&...>) {
    using Result = std::remove_cvref_t<std::invoke_result_t<F&, StoredType<Given>&...>>;
    if constexpr (std::is_void_v<Result> || std::is_copy_constructible_v<Result>) {
      return std::type_identity<RefusedTask<Result>>{};
    } else {
      return std::type_identity<RefusedTask<NoResult>>{};
    }
  } else {
    return std::type_identity<RefusedTask<NoResult>>{};
  }
}
/// The task that F and arguments of the given types make; what cannot be one is refused in a sentence.
template <class F, class... Given>
using TaskType =
    typename decltype(accept_or_refuse<std::decay_t<F>, Given...>(judge_task<std::decay_t<F>, Given...>()))::type;

}  // namespace rankpool::inline v0_2::detail
