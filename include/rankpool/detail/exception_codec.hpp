#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/exception_trace.hpp>
#include <rankpool/detail/input.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// Encodes the exception that is being handled; `place` says where: "worker 5 (rank 3 on n2, pid 4711), task f(long)".
Bytes encode_current_exception(const std::string& place) noexcept;
/// The exception, of the same type where that is known here, else a RemoteError. A new object each time. Never throws.
/// `map` is the map that it ended an item of, and `note` stands behind its text, where a text can be given to it.
std::exception_ptr decode_exception(std::span<const std::byte> encoded, const MapTallyPtr& map = {},
                                    const std::string& note = {}) noexcept;

/// The type's name as C++ writes it, without what std::throw_with_nested and this library wrap around it.
std::string exception_type_name(const std::type_info& type);

/// The class of the standard library that E has its text from; void if there is none.
template <class E>
using StandardPartOf = std::conditional_t<
    std::is_convertible_v<E*, std::system_error*>, std::system_error,
    std::conditional_t<std::is_convertible_v<E*, std::runtime_error*>, std::runtime_error,
                       std::conditional_t<std::is_convertible_v<E*, std::logic_error*>, std::logic_error, void>>>;
/// True if Base is a virtual base of E, which then makes it by itself.
template <class E, class Base>
inline constexpr bool has_virtual_base = !requires(Base * base) {
  static_cast<E*>(base);
};

/// What an exception is made again from.
struct ExceptionParts {
  std::span<const std::byte> payload;  ///< what its codec encoded
  const std::string& what;             ///< its text, with the note
  const std::string& note;
  const Trace& trace;
  const std::exception_ptr& cause;  ///< the exception that was nested in it, made again, or null
};

/// An E with another exception nested in it, as std::throw_with_nested makes it. Made while the other is handled.
template <class E>
struct WithCause : E, std::nested_exception {
  explicit WithCause(E&& error) : E(std::move(error)) {}
};

/// The exception object, with its trace and with what was nested in it.
template <class E>
std::exception_ptr make_exception(E error, const ExceptionParts& parts) {
  if constexpr (std::is_class_v<E>) {
    if (parts.cause) {
      try {
        std::rethrow_exception(parts.cause);
      } catch (...) {
        if constexpr (std::is_base_of_v<std::nested_exception, E>) {
          static_cast<std::nested_exception&>(error) = std::nested_exception();
        } else if constexpr (!std::is_final_v<E> && !has_virtual_base<E, StandardPartOf<E>>) {
          return make_traced(WithCause<E>(std::move(error)), parts.trace);
        }
      }
    }
  }
  return make_traced(std::move(error), parts.trace);
}

/// How one exception type travels.
struct ExceptionCodec {
  void (*encode)(Bytes&, const void* error) = nullptr;
  std::exception_ptr (*decode)(const ExceptionParts&) = nullptr;
  /// The exception as this very type, or null.
  const void* (*match)(const std::exception_ptr&) = nullptr;
};
void register_exception(const std::type_info& type, ExceptionCodec codec);

template <class E>
const void* match_exception(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const E& e) {
    return std::addressof(e);
  } catch (...) {
    return nullptr;
  }
}

/// The text, and the code if it has one, that an exception class has from the standard library.
std::string standard_part(const std::runtime_error& error);
std::string standard_part(const std::logic_error& error);
std::string standard_part(const std::system_error& error);
/// Gives it back, with `note` behind the text. Throws Error if the code's category is unknown here.
void restore_standard_part(std::runtime_error& error, const std::string& part, const std::string& note);
void restore_standard_part(std::logic_error& error, const std::string& part, const std::string& note);
void restore_standard_part(std::system_error& error, const std::string& part, const std::string& note);

template <class Base>
struct VirtualBaseProbe : virtual Base {};
/// Bytes of an E that the library sends or that hold nothing: its standard base, what is nested in it, virtual
/// functions.
template <class E>
constexpr std::size_t bytes_known() {
  using Part = StandardPartOf<E>;
  using Base = std::conditional_t<!std::is_void_v<Part>, Part,
                                  std::conditional_t<std::is_convertible_v<E*, std::exception*>, std::exception, void>>;
  std::size_t bytes = std::is_polymorphic_v<E> ? sizeof(void*) : std::is_empty_v<E> ? sizeof(E) : 0;
  if constexpr (!std::is_void_v<Base>) {
    bytes = has_virtual_base<E, Base> ? sizeof(VirtualBaseProbe<Base>) : sizeof(Base);
  }
  if constexpr (std::is_base_of_v<std::nested_exception, E>) bytes += sizeof(std::nested_exception);
  return bytes;
}

/// The codec of a class that a program registers.
template <class E>
struct RegisteredException {
  static constexpr bool says_how = HasOwnSerialize<E>;
  static constexpr bool from_text =
      std::is_constructible_v<E, const std::string&> || std::is_constructible_v<E, const char*>;
  static constexpr bool from_nothing = std::is_default_constructible_v<E>;
  /// No exception class, just a value: it travels as values do.
  static constexpr bool is_value() {
    if constexpr (std::is_class_v<E>) {
      return !says_how && !std::is_polymorphic_v<E> && from_nothing && travels<E>;
    } else {
      return true;
    }
  }

  static void encode(Bytes& to, const void* object) {
    const E& error = *static_cast<const E*>(object);
    if constexpr (is_value()) {
      detail::encode(to, error);
    } else {
      if constexpr (!std::is_void_v<StandardPartOf<E>>) {
        const std::string part = standard_part(static_cast<const StandardPartOf<E>&>(error));
        const std::uint64_t size = part.size();
        to.append(&size, sizeof size);
        to.append(part.data(), part.size());
      }
      if constexpr (says_how) {
        OArchive archive(to);
        archive << error;
      }
    }
  }
  static std::exception_ptr decode(const ExceptionParts& parts) {
    if constexpr (is_value()) {
      return make_exception(detail::decode<E>(parts.payload), parts);
    } else {
      Input from(parts.payload);
      E error = make(parts.what);
      if constexpr (!std::is_void_v<StandardPartOf<E>>) {
        std::uint64_t size = 0;
        check_left(from, sizeof size);
        from.read(&size, sizeof size);
        check_left(from, size);
        std::string part(static_cast<std::size_t>(size), '\0');
        from.read(part.data(), part.size());
        restore_standard_part(static_cast<StandardPartOf<E>&>(error), part, parts.note);
      }
      if constexpr (says_how) {
        IArchive archive(from);
        archive >> error;
      }
      return make_exception(std::move(error), parts);
    }
  }

 private:
  static E make(const std::string& what) {
    if constexpr (from_nothing && (says_how || !from_text)) {
      return E{};
    } else if constexpr (std::is_constructible_v<E, const std::string&>) {
      return E(what);
    } else {
      return E(what.c_str());
    }
  }
};

template <class E>
struct RegisterException {
  RegisterException() {
    using Registered = RegisteredException<E>;
    if constexpr (!Registered::is_value() && !Registered::says_how && sizeof(E) > bytes_known<E>()) {
      static_assert(Registered::says_how,
                    "rankpool: this exception has members of its own, which would be lost: give it a serialize "
                    "member, as Boost.Serialization describes");
    } else if constexpr (!Registered::is_value() && !Registered::from_nothing && !Registered::from_text) {
      static_assert(Registered::from_text,
                    "rankpool: this exception cannot be made again at home: give it a default constructor, or one "
                    "that takes its what()");
    } else {
      register_exception(typeid(E), {&Registered::encode, &Registered::decode, &match_exception<E>});
    }
  }
};

}  // namespace rankpool::inline v0_2::detail

#define RANKPOOL_DETAIL_JOIN2(a, b) a##b
#define RANKPOOL_DETAIL_JOIN(a, b) RANKPOOL_DETAIL_JOIN2(a, b)

/// Lets tasks throw exceptions of this type home: `RANKPOOL_REGISTER_EXCEPTION(app::ParseError)`, at global scope. It
/// holds for exactly that type.
///
/// The text (and code) that the type has from `std::runtime_error`, `std::logic_error` or `std::system_error` comes
/// home by itself, and so does what std::throw_with_nested put into it. Members of its own come home by `serialize`, as
/// Boost.Serialization describes it; a type that has some and no `serialize` is refused by the compiler. The type has a
/// default constructor, or one that takes its `what()`. Enumerations and plain values can be registered too.
#define RANKPOOL_REGISTER_EXCEPTION(...)                                                                 \
  [[maybe_unused]] static const ::rankpool::detail::RegisterException<__VA_ARGS__> RANKPOOL_DETAIL_JOIN( \
      rankpool_registered_exception_, __COUNTER__){};
