#pragma once

#include <rankpool/detail/call.hpp>
#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/task_context.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// The length of an item whose encoding has failed.
inline constexpr std::uint64_t kSkippedItem = UINT64_MAX;

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

}  // namespace rankpool::inline v0_2::detail
