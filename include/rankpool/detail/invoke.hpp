#pragma once

#include <rankpool/callable.hpp>
#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/refusals.hpp>
#include <rankpool/detail/task_context.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace rankpool::inline v0_2::detail {

/// The length of an item whose encoding has failed.
inline constexpr std::uint64_t kSkippedItem = UINT64_MAX;

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

/// A task of callable type F whose arguments are kept as Args: how it is encoded, and how a worker runs it.
template <class F, class... Args>
struct Task {
  using Returned = typename ResultOfCall<F, Args...>::type;
  using Result = typename Home<Returned>::type;
  static constexpr bool fixed_arguments = (fixed_size<Args> && ...) && sizeof...(Args) > 0;
  static constexpr std::size_t stride = (sizeof(Args) + ... + 0);
  static constexpr bool fixed_result = fixed_size<Result>;
  /// Whether the bytes of a T are an encoded item.
  template <class T>
  static constexpr bool takes_as_is =
      fixed_arguments&& std::is_same_v<std::tuple<std::remove_const_t<T>>, std::tuple<Args...>>;

  /// The code reference and the callable: what stands before the items of every chunk.
  static void encode_head(Bytes& to, const F& f) {
    const CodeRef ref = code_ref(reinterpret_cast<const void*>(&invoke_chunk));
    to.append(&ref, sizeof ref);
    encode(to, f);
  }
  template <class... Given>
  static void encode_item(Bytes& to, Given&&... given) {
    encode_stored(to, as_stored<Args>(std::forward<Given>(given))...);
  }
  static void encode_stored(Bytes& to, const Args&... args) {
    if constexpr (fixed_arguments) {
      (to.append(std::addressof(args), sizeof args), ...);
    } else {
      const std::size_t begin = to.size();
      to.grow_by(sizeof(std::uint64_t));
      try {
        encode_tuple(to, args...);
      } catch (...) {
        to.truncate(begin);
        throw;
      }
      const std::uint64_t length = to.size() - begin - sizeof(std::uint64_t);
      std::memcpy(to.data() + begin, &length, sizeof length);
    }
  }
  /// Stands for an item that `encode_item` could not encode.
  static void encode_skipped(Bytes& to) { to.append(&kSkippedItem, sizeof kSkippedItem); }

  /// The Invoker of this task.
  static void invoke_chunk(TaskContext& context) {
    context.set_name(&name);
    const F f = decode_or_explain<F>(context.callable(), "the task's callable");
    if constexpr (fixed_arguments) {
      run_fixed_items(context, f);
    } else {
      Input& rest = context.input();
      for (std::uint32_t i = 0; i < context.count(); ++i) {
        std::uint64_t length = 0;
        if (rest.left() < sizeof length) throw SerializationError("a chunk ends too early");
        rest.read(&length, sizeof length);
        if (length == kSkippedItem) {
          context.end_skipped();
          continue;
        }
        if (length > rest.left()) throw SerializationError("an item is longer than its chunk");
        context.begin_item();
        const Input::Part item(rest, static_cast<std::size_t>(length));
        run_item(context, f, rest);
      }
    }
  }

 private:
  static void run_fixed_items(TaskContext& context, const F& f) {
    Input& rest = context.input();
    std::size_t left = context.count() * stride;
    if (rest.left() < left) throw SerializationError("a chunk ends too early");
    std::array<std::byte, stride> apart;
    while (left != 0) {
      std::span<const std::byte> row = rest.read_pieces(left, stride);
      if (row.empty()) {
        rest.read(apart.data(), stride);
        row = apart;
      }
      left -= row.size();
      const std::byte* at = row.data();
      for (const std::byte* const end = at + row.size(); at != end;) {
        context.begin_item();
        run_item(context, f, at);
      }
    }
  }
  static std::string name(std::span<const std::byte> callable) { return task_name(decode<F>(callable)); }
  template <class... T>
  static void encode_tuple(Bytes& to, const T&... args) {
    if constexpr (sizeof...(T) == 1) {
      (encode(to, args), ...);
    } else {
      // Each with its length: one archive for all would be cheaper, but plain bytes and function pointers go beside it.
      const auto one = [&](const auto& arg) {
        const std::size_t begin = to.size();
        to.grow_by(sizeof(std::uint64_t));
        encode(to, arg);
        const std::uint64_t length = to.size() - begin - sizeof(std::uint64_t);
        std::memcpy(to.data() + begin, &length, sizeof length);
      };
      (one(args), ...);
    }
  }
  /// Of an item of fixed size.
  template <class T>
  static T take_argument(const std::byte*& from) {
    return read_plain<T>([&](void* to) { std::memcpy(to, std::exchange(from, from + sizeof(T)), sizeof(T)); });
  }
  template <class T>
  static T take_argument(Input& from) {
    std::uint64_t length = 0;
    if constexpr (sizeof...(Args) == 1) {
      length = from.left();
    } else {
      if (from.left() < sizeof length) throw SerializationError("an argument is missing");
      from.read(&length, sizeof length);
      if (length > from.left()) throw SerializationError("an argument ends too early");
    }
    const Input::Part argument(from, static_cast<std::size_t>(length));
    try {
      return decode<T>(from);
    } catch (...) {
      throw SerializationError("an argument could not be decoded: " + current_exception_text());
    }
  }
  /// Decodes the arguments in their order, each where it stays, and then calls `run` with them.
  template <class From, class Run, class... Taken>
  static void with_arguments([[maybe_unused]] From& from, const Run& run, Taken&... taken) {
    if constexpr (sizeof...(Taken) == sizeof...(Args)) {
      run(taken...);
    } else {
      auto next = take_argument<std::tuple_element_t<sizeof...(Taken), std::tuple<Args...>>>(from);
      with_arguments(from, run, taken..., next);
    }
  }
  template <std::size_t... Place>
  static decltype(auto) call(const F& f, std::index_sequence<Place...>, Args&... arguments) {
    return std::invoke(f, hand_over<F, Place>(arguments)...);
  }
  template <class From>
  static void run_item(TaskContext& context, const F& f, From& from) {
    bool ended = false;
    try {
      with_arguments(from, [&](Args&... arguments) {
        constexpr std::index_sequence_for<Args...> all;
        if constexpr (std::is_void_v<Returned>) {
          call(f, all, arguments...);
          end_with(context, Result{}, ended);
        } else {
          // A view is made into its own text while what it shows is still there.
          end_with(context, as_stored<Result>(call(f, all, arguments...)), ended);
        }
      });
    } catch (...) {
      if (ended) throw;  // not the task's doing
      context.end_with_current_exception();
    }
  }
  static void end_with(TaskContext& context, const Result& result, bool& ended) {
    if constexpr (fixed_result) {
      ended = true;
      context.end_with_value(std::addressof(result), sizeof result);
    } else if constexpr (one_run<Result>) {
      // As `encode` would, but from where it stands.
      const std::uint64_t count = result.size();
      ended = true;
      context.end_with_encoded(std::as_bytes(std::span(&count, 1)), std::as_bytes(std::span(result)));
    } else {
      Bytes encoded;
      try {
        encode(encoded, result);
      } catch (...) {
        throw SerializationError("the result could not be encoded: " + current_exception_text());
      }
      ended = true;
      context.end_with_encoded(encoded);
    }
  }
};

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
