#pragma once

#include <rankpool/detail/archive.hpp>
#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/direct.hpp>
#include <rankpool/detail/refusals.hpp>
#include <rankpool/detail/what_of.hpp>
#include <rankpool/errors.hpp>

#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// Values that travel as a fixed number of bytes, their own.
template <class T>
inline constexpr bool fixed_size = plain_bytes<T> && !std::is_empty_v<T>;

/// Appends the value. What the type's own `serialize` throws comes out as it is; `to` is then as it was.
template <class T>
void encode(Bytes& to, const T& value) {
  if constexpr (!travels<T>) {
    check_travels<T>();
  } else if constexpr (std::is_empty_v<T> && plain_bytes<T>) {
    // nothing to say
  } else if constexpr (plain_bytes<T>) {
    to.append(std::addressof(value), sizeof value);
  } else if constexpr (DirectlyComposed<T>) {
    DirectWriter(to.grow_by(DirectSize::of(value))).write(value);
  } else {
    const std::size_t before = to.size();
    try {
      OArchive archive(to);
      save_made(archive, value);
    } catch (...) {
      to.truncate(before);
      throw;
    }
  }
}

/// True for what is encoded as its number of elements and their bytes, which stand in a row.
template <class T>
inline constexpr bool one_run = false;
template <class T, class A>
inline constexpr bool one_run<std::vector<T, A>> = plain_bytes<T>&& direct_element<T>;
template <class C, class Traits, class A>
inline constexpr bool one_run<std::basic_string<C, Traits, A>> = true;

/// The value that fills what is left of `from` exactly. Throws SerializationError, or what the type's own `serialize`
/// throws.
template <class T>
T decode(Input& from) {
  if constexpr (!travels<T>) {
    throw SerializationError("a value that does not travel");  // the compiler has refused it elsewhere
  } else if constexpr (plain_bytes<T>) {
    constexpr std::size_t size = std::is_empty_v<T> ? 0 : sizeof(T);
    if (from.left() != size) throw SerializationError("an encoded value of a wrong size");
    return read_plain<T>([&](void* to) { from.read(to, size); });
  } else if constexpr (std::is_default_constructible_v<T>) {
    T value{};
    if constexpr (DirectlyComposed<T>) {
      DirectReader(from).read(value);
    } else {
      IArchive archive(from);
      archive >> value;
    }
    if (from.left() != 0) throw SerializationError("an encoded value is too long");
    return value;
  } else {
    IArchive archive(from);
    Decoded<T> value(archive);
    if (from.left() != 0) throw SerializationError("an encoded value is too long");
    return std::move(value.value());
  }
}
template <class T>
T decode(std::span<const std::byte> from) {
  Input input(from);
  return decode<T>(input);
}

/// To be called in a catch block: the text of what is being handled.
inline std::string current_exception_text() {
  try {
    throw;
  } catch (const std::exception& e) {
    return what_of(e);
  } catch (...) {
    return "something that is not a std::exception";
  }
}

/// `decode`, with every failure a SerializationError that holds the original's text.
template <class T>
T decode_or_explain(std::span<const std::byte> from, const char* what) {
  try {
    return decode<T>(from);
  } catch (...) {
    throw SerializationError(std::string(what) + " could not be decoded: " + current_exception_text());
  }
}

}  // namespace rankpool::inline v0_2::detail
