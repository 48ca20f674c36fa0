#pragma once

#include <cxxabi.h>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <typeinfo>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// How the items of a map have ended so far. Outlives the results: an exception that leaves `main` tells of it.
struct MapTally {
  std::atomic<std::uint64_t> known{0};   ///< items that were read from the input
  std::atomic<std::uint64_t> ended{0};   ///< of these
  std::atomic<std::uint64_t> failed{0};  ///< of these: with an exception, or cancelled
};
using MapTallyPtr = std::shared_ptr<const MapTally>;

/// What is known of an exception object beside its type and text.
struct Trace {
  std::string text;      ///< where it was thrown in a worker; empty if it was not thrown there
  MapTallyPtr map = {};  ///< the map that it ended an item of, if it did
};

/// Remembers it for the exception object at `address` until it is forgotten.
void remember_trace(const void* address, Trace trace);
void forget_trace(const void* address) noexcept;

/// "2 other items failed, too" for an exception that ended an item of a map; "... so far" while items are unfinished.
/// Empty if none did.
std::string failed_beside(const MapTally& map);
/// The same for an exception object that was made here.
std::string failed_beside(const std::exception_ptr& error);

/// An exception object of exactly type E that carries a trace.
template <class E>
std::exception_ptr make_traced(E error, const Trace& trace) {
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

}  // namespace rankpool::inline v0_2::detail
