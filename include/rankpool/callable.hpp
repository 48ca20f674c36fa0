#pragma once

#include <rankpool/detail/archive.hpp>
#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/keep_alives.hpp>
#include <rankpool/detail/refusals.hpp>
#include <rankpool/detail/travel.hpp>
#include <rankpool/detail/type_name.hpp>
#include <rankpool/serialization.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2 {

namespace detail {

/// What is known of a callable: its parameters, if it has one signature.
template <class F>
struct Signature {
  static constexpr bool known = false;
};
template <class R, class... P>
struct SignatureOf {
  static constexpr bool known = true;
  static constexpr std::size_t arity = sizeof...(P);
  using Parameters = std::tuple<P...>;
};
template <class R, class... P>
struct Signature<R (*)(P...)> : SignatureOf<R, P...> {};
template <class R, class... P>
struct Signature<R (*)(P...) noexcept> : SignatureOf<R, P...> {};
template <class M>
struct MemberSignature {
  static constexpr bool known = false;
};
template <class C, class R, class... P>
struct MemberSignature<R (C::*)(P...)> : SignatureOf<R, P...> {};
template <class C, class R, class... P>
struct MemberSignature<R (C::*)(P...) const> : SignatureOf<R, P...> {};
template <class C, class R, class... P>
struct MemberSignature<R (C::*)(P...) noexcept> : SignatureOf<R, P...> {};
template <class C, class R, class... P>
struct MemberSignature<R (C::*)(P...) const noexcept> : SignatureOf<R, P...> {};
template <class F>
requires requires { &F::operator(); }
struct Signature<F> : MemberSignature<decltype(&F::operator())> {};

/// How an argument is kept until it is sent: views by an owner of what they show.
template <class T>
struct Stored {
  using type = T;
};
template <class T>
inline constexpr bool is_character =
    std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t> ||
    std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;
template <class C>
requires is_character<std::remove_const_t<C>>
struct Stored<C*> {
  using type = std::basic_string<std::remove_const_t<C>>;
};
template <class C, class Traits>
struct Stored<std::basic_string_view<C, Traits>> {
  using type = std::basic_string<C, Traits>;
};
template <class T>
struct Stored<std::span<T>> {
  using type = std::vector<std::remove_const_t<T>>;
};
template <class T, std::size_t N>
requires(N != std::dynamic_extent) struct Stored<std::span<T, N>> {
  using type = std::array<std::remove_const_t<T>, N>;
};
template <class T>
using StoredType = typename Stored<std::decay_t<T>>::type;

/// Parameters through which a task could change what was given to it.
template <class P>
inline constexpr bool is_changing_parameter =
    std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;
template <class T, std::size_t N>
inline constexpr bool is_changing_parameter<std::span<T, N>> = !std::is_const_v<T>;
template <class T, std::size_t N>
inline constexpr bool is_changing_parameter<const std::span<T, N>&> = !std::is_const_v<T>;
/// How the argument for a parameter of type P is kept. A `char*` is not a text, but a place to write one to.
template <class P>
struct StoredFor : Stored<std::decay_t<P>> {};
template <class P>
requires(std::is_pointer_v<std::decay_t<P>> && !std::is_const_v<std::remove_pointer_t<std::decay_t<P>>>)  //
    struct StoredFor<P> {
  using type = std::decay_t<P>;
};

/// The argument as what it is kept as; as it is where that follows by itself.
template <class S, class Given>
decltype(auto) as_stored(Given&& given) {
  if constexpr (std::is_convertible_v<Given, const S&>) {
    return std::forward<Given>(given);
  } else if constexpr (requires { std::basic_string_view<typename S::value_type, typename S::traits_type>(given); }) {
    return S(std::basic_string_view<typename S::value_type, typename S::traits_type>(given));
  } else if constexpr (requires { std::tuple_size<S>::value; }) {
    const std::span<const typename S::value_type, std::tuple_size_v<S>> view(given);
    S kept;
    std::copy(view.begin(), view.end(), kept.begin());
    return kept;
  } else {
    const std::span<const typename S::value_type> view(given);
    return S(view.begin(), view.end());
  }
}
template <class S, class Given>
constexpr bool can_be_stored() {
  if constexpr (std::is_convertible_v<Given, const S&>) {
    return true;
  } else if constexpr (requires { typename S::traits_type; }) {
    return std::is_convertible_v<Given, std::basic_string_view<typename S::value_type, typename S::traits_type>>;
  } else if constexpr (Standard<S>::shape == Shape::array) {
    return std::is_convertible_v<Given, std::span<const typename S::value_type, std::tuple_size<S>::value>>;
  } else if constexpr (Standard<S>::shape == Shape::container && requires { typename S::allocator_type; }) {
    return std::is_convertible_v<Given, std::span<const typename S::value_type>>;
  } else {
    return false;
  }
}

/// What a task is called in texts: "is_prime(long)", "app()::{lambda(int)#1}".
template <class F>
std::string task_name(const F& f) {
  if constexpr (is_function_pointer<F>) {
    return code_name(reinterpret_cast<const void*>(f));
  } else if constexpr (requires { f.name_of_task(); }) {
    return f.name_of_task();
  } else if constexpr (requires { f.name_of_function(); }) {
    return "partial(" + f.name_of_function() + ")";
  } else {
    return type_name(typeid(F));
  }
}

}  // namespace detail

/// A function with its first arguments bound: Python's `functools.partial`. It is a task wherever a function is, and
/// ships what was bound. Made by `partial`.
template <class F, class... Bound>
class Partial {
 public:
  Partial() = default;
  explicit Partial(F f, Bound... bound) : f_(std::move(f)), bound_(std::move(bound)...) {}

  template <class... Args>
  decltype(auto) operator()(Args&&... args) const requires std::is_invocable_v<const F&, const Bound&..., Args...> {
    return std::apply(
        [&](const Bound&... bound) -> decltype(auto) { return std::invoke(f_, bound..., std::forward<Args>(args)...); },
        bound_);
  }
  // For the library's own use.
  [[nodiscard]] std::string name_of_function() const { return detail::task_name(f_); }

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& f_;
    std::apply([&](Bound&... bound) { (void)(archive & ... & bound); }, bound_);
  }

  F f_{};
  std::tuple<Bound...> bound_;
};

/// Binds the leading arguments of a task. Python: `functools.partial`.
template <class F, class... Args>
auto partial(F&& f, Args&&... args) {
  return Partial<std::decay_t<F>, detail::StoredType<Args>...>(
      std::forward<F>(f), detail::as_stored<detail::StoredType<Args>>(std::forward<Args>(args))...);
}

namespace detail {
template <class F, class... Bound>
struct HeldBy<Partial<F, Bound...>> {
  using type = Types<F, Bound...>;
};
}  // namespace detail

template <class Signature>
class Function;

/// Any task without arguments and result, in one type; empty by default. It can be encoded.
template <>
class Function<void()> {
 public:
  Function() = default;
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Function>)
      Function(F&& f) {  // NOLINT(google-explicit-constructor): any task is one
    using Kept = std::decay_t<F>;
    if constexpr (!detail::travels<Kept>) {
      detail::check_travels<Kept, detail::Role::callable>();
    } else if constexpr (!std::is_invocable_v<const Kept&>) {
      static_assert(std::is_invocable_v<const Kept&>,
                    "rankpool: an initializer is called without arguments: bind them with "
                    "rankpool::partial(function, arguments...)");
    } else {
      run_ = &run<Kept>;
      auto encoded = std::make_shared<detail::Bytes>();
      const Kept kept(std::forward<F>(f));
      const detail::KeepAliveScope scope(keep_alives_);
      detail::encode(*encoded, kept);
      encoded_ = std::move(encoded);
    }
  }
  explicit operator bool() const noexcept { return run_ != nullptr; }
  /// Calls it. @throws Error if it is empty
  void operator()() const {
    if (run_ == nullptr) throw Error("an empty rankpool::Function was called");
    run_(encoded_->view());
  }

 private:
  friend class boost::serialization::access;
  using Run = void (*)(std::span<const std::byte>);
  template <class F>
  static void run(std::span<const std::byte> encoded) {
    const F f = detail::decode<F>(encoded);
    (void)f();
  }
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    const detail::CodeRef ref =
        run_ == nullptr ? detail::CodeRef{} : detail::code_ref(reinterpret_cast<const void*>(run_));
    for (const auto& keep_alive : keep_alives_) detail::KeepAliveScope::keep(keep_alive);
    archive << ref.module << ref.offset << static_cast<std::uint64_t>(encoded_ ? encoded_->size() : 0);
    if (encoded_) archive.save_binary(encoded_->data(), encoded_->size());
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    detail::CodeRef ref;
    std::uint64_t size = 0;
    archive >> ref.module >> ref.offset >> size;
    if (size > archive.left()) throw SerializationError("an encoded function ends too early");
    auto encoded = std::make_shared<detail::Bytes>(static_cast<std::size_t>(size));
    archive.load_binary(encoded->data(), encoded->size());
    encoded_ = std::move(encoded);
    run_ = ref == detail::CodeRef{} ? nullptr : reinterpret_cast<Run>(const_cast<void*>(detail::resolve(ref)));
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()

  Run run_ = nullptr;
  std::shared_ptr<const detail::Bytes> encoded_;
  detail::KeepAlives keep_alives_;  ///< shared objects whose handles it holds
};

}  // namespace rankpool::inline v0_2
