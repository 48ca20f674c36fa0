#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/codec.hpp>

#include <cxxabi.h>
#include <exception>
#include <functional>
#include <new>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// Encodes the exception that is being handled; `place` says where: "worker 5 (rank 3 on n2, pid 4711), task f(long)".
Bytes encode_current_exception(const std::string& place) noexcept;
/// The exception, of the same type where that is known here, else a RemoteError. A new object each time. Never throws.
std::exception_ptr decode_exception(std::span<const std::byte> encoded) noexcept;

/// Remembers, for as long as it lives, where the exception object at `address` came from.
void remember_trace(const void* address, std::string trace);
void forget_trace(const void* address) noexcept;

/// An exception object of exactly type E that carries a remote traceback.
template <class E>
std::exception_ptr make_traced(E error, const std::string& trace) {
  // The object is made and thrown by hand, as the compiler does it, but with a destructor that forgets its trace too.
  void* const room = __cxxabiv1::__cxa_allocate_exception(sizeof(E));
  try {
    ::new (room) E(std::move(error));
    remember_trace(room, trace);
  } catch (...) {
    __cxxabiv1::__cxa_free_exception(room);
    return std::current_exception();
  }
  try {
    __cxxabiv1::__cxa_throw(room, const_cast<std::type_info*>(&typeid(E)), [](void* object) {
      forget_trace(object);
      static_cast<E*>(object)->~E();
    });
  } catch (...) {
    return std::current_exception();
  }
}

/// How one exception type travels.
struct ExceptionCodec {
  void (*encode)(Bytes&, const void* error) = nullptr;
  std::exception_ptr (*decode)(std::span<const std::byte>, const std::string& what, const std::string& trace) = nullptr;
  /// The exception being handled as this very type, or null.
  const void* (*match)(const std::exception_ptr&) = nullptr;
};
void register_exception(const std::type_info& type, ExceptionCodec codec);

template <class E>
struct RegisterException {
  RegisterException() {
    ExceptionCodec codec;
    codec.match = [](const std::exception_ptr& error) -> const void* {
      try {
        std::rethrow_exception(error);
      } catch (const E& e) {
        return &e;
      } catch (...) {
        return nullptr;
      }
    };
    if constexpr (std::is_default_constructible_v<E> && (has_member_serialize<E>() || HasFreeSerialize<E>)) {
      codec.encode = [](Bytes& to, const void* error) { detail::encode(to, *static_cast<const E*>(error)); };
      codec.decode = [](std::span<const std::byte> from, const std::string&, const std::string& trace) {
        return make_traced(detail::decode<E>(from), trace);
      };
    } else {
      static_assert(
          std::is_constructible_v<E, const std::string&> || std::is_constructible_v<E, const char*>,
          "rankpool: a registered exception is default-constructible with a serialize member, or constructible from "
          "its what()");
      codec.encode = [](Bytes&, const void*) {};
      codec.decode = [](std::span<const std::byte>, const std::string& what, const std::string& trace) {
        if constexpr (std::is_constructible_v<E, const std::string&>) {
          return make_traced(E(what), trace);
        } else {
          return make_traced(E(what.c_str()), trace);
        }
      };
    }
    register_exception(typeid(E), codec);
  }
};

}  // namespace rankpool::inline v0_2::detail

#define RANKPOOL_DETAIL_JOIN2(a, b) a##b
#define RANKPOOL_DETAIL_JOIN(a, b) RANKPOOL_DETAIL_JOIN2(a, b)

/// Lets tasks throw exceptions of this type home: `RANKPOOL_REGISTER_EXCEPTION(app::ParseError)`, at global scope. The
/// type is default-constructible with `serialize`, or constructible from its what(); it holds for exactly that type.
#define RANKPOOL_REGISTER_EXCEPTION(...)                                                                 \
  [[maybe_unused]] static const ::rankpool::detail::RegisterException<__VA_ARGS__> RANKPOOL_DETAIL_JOIN( \
      rankpool_registered_exception_, __COUNTER__){};
