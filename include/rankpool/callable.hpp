#pragma once

#include <rankpool/detail/archive.hpp>
#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/pins.hpp>
#include <rankpool/detail/type_name.hpp>
#include <rankpool/serialization.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace rankpool::inline v0_2 {

namespace detail {

template <class F>
constexpr bool is_closure() {
  const std::string_view name = __PRETTY_FUNCTION__;
  // "... [with F = f()::<lambda(int)>]": the name ends with the lambda's own parameters, not with those of a template
  // around it.
  const auto lambda = name.rfind("<lambda(");
  if (lambda == std::string_view::npos) return false;
  int depth = 0;
  for (std::size_t i = lambda + 7; i < name.size(); ++i) {
    depth += name[i] == '(' ? 1 : name[i] == ')' ? -1 : 0;
    if (depth == 0) return name.substr(i) == ")>]";
  }
  return false;
}
template <class F>
inline constexpr bool is_std_function = false;
template <class S>
inline constexpr bool is_std_function<std::function<S>> = true;

template <class T>
constexpr void check_function_parameter() {
  static_assert(
      !std::is_lvalue_reference_v<T> || std::is_const_v<std::remove_reference_t<T>>,
      "rankpool: a task gets copies of its arguments: take each parameter by value or by const&, not by a reference to "
      "something that could be changed");
}

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

template <class F>
constexpr void check_callable() {
  static_assert(!std::is_member_function_pointer_v<F>,
                "rankpool: a member-function pointer cannot be a task: write a function that takes the object, or use "
                "rankpool::partial(function, object)");
  static_assert(!is_std_function<F>,
                "rankpool: a std::function cannot be sent to another process: pass the function itself, or use "
                "rankpool::partial(function, arguments...)");
  static_assert(
      !is_closure<F>() || std::is_empty_v<F>,
      "rankpool: a lambda with captures cannot be sent to another process: pass what it captures as arguments, with "
      "rankpool::partial(function, arguments...)");
}

/// How an argument is kept until it is sent.
template <class T>
struct Stored {
  using type = std::decay_t<T>;
};
template <>
struct Stored<const char*> {
  using type = std::string;
};
template <>
struct Stored<char*> {
  using type = std::string;
};
template <class T>
using StoredType = typename Stored<std::decay_t<T>>::type;

template <class T>
constexpr void check_argument() {
  static_assert(!std::is_pointer_v<T> || is_function_pointer<T>,
                "rankpool: a pointer means nothing in another process: pass what it points to");
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
  void save(Archive& archive, unsigned) const {
    detail::Bytes bytes;
    detail::encode(bytes, f_);
    archive << static_cast<std::uint64_t>(bytes.size());
    archive.save_binary(bytes.data(), bytes.size());
    std::apply([&](const Bound&... bound) { (void)(archive << ... << bound); }, bound_);
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    std::uint64_t size = 0;
    archive >> size;
    if (size > archive.left()) throw SerializationError("an encoded partial ends too early");
    detail::Bytes bytes(static_cast<std::size_t>(size));
    archive.load_binary(bytes.data(), bytes.size());
    f_ = detail::decode<F>(bytes);
    std::apply([&](Bound&... bound) { (void)(archive >> ... >> bound); }, bound_);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()

  F f_{};
  std::tuple<Bound...> bound_;
};

/// Binds the leading arguments of a task. Python: `functools.partial`.
template <class F, class... Args>
auto partial(F&& f, Args&&... args) {
  detail::check_callable<std::decay_t<F>>();
  (detail::check_argument<detail::StoredType<Args>>(), ...);
  return Partial<std::decay_t<F>, detail::StoredType<Args>...>(std::forward<F>(f),
                                                               detail::StoredType<Args>(std::forward<Args>(args))...);
}

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
    detail::check_callable<Kept>();
    static_assert(std::is_invocable_v<const Kept&>,
                  "rankpool: an initializer is called without arguments: bind them with "
                  "rankpool::partial(function, arguments...)");
    run_ = &run<Kept>;
    auto encoded = std::make_shared<detail::Bytes>();
    const Kept kept(std::forward<F>(f));
    const detail::PinScope scope(pins_);
    detail::encode(*encoded, kept);
    encoded_ = std::move(encoded);
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
    for (const auto& pin : pins_) detail::PinScope::keep(pin);
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
  detail::Pins pins_;  ///< shared objects whose handles it holds
};

}  // namespace rankpool::inline v0_2
