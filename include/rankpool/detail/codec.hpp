#pragma once

#include <rankpool/detail/archive.hpp>
#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/code_ref.hpp>
#include <rankpool/detail/what_of.hpp>
#include <rankpool/errors.hpp>

#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace rankpool::inline v0_2::detail {

template <class T>
inline constexpr bool is_function_pointer = std::is_pointer_v<T>&& std::is_function_v<std::remove_pointer_t<T>>;

/// Values that travel as a fixed number of bytes, their own.
template <class T>
inline constexpr bool fixed_size = plain_bytes<T> && !std::is_empty_v<T>;

/// Types of the standard library and of Boost know how to travel, or Boost says what is missing; a program's own class
/// must say.
template <class T>
constexpr bool may_be_encoded() {
  if constexpr (plain_bytes<T> || is_function_pointer<T> || !std::is_class_v<T>) {
    return true;
  } else {
    return has_member_serialize<T>() || HasFreeSerialize<T> || HasSplitSerialize<T> || from_std_or_boost<T>();
  }
}

/// Appends the value. What the type's own `serialize` throws comes out as it is; `to` is then as it was.
template <class T>
void encode(Bytes& to, const T& value) {
  if constexpr (is_function_pointer<T>) {
    const CodeRef ref = value == nullptr ? CodeRef{} : code_ref(reinterpret_cast<const void*>(value));
    to.append(&ref, sizeof ref);
  } else if constexpr (std::is_empty_v<T> && plain_bytes<T>) {
    // nothing to say
  } else if constexpr (plain_bytes<T>) {
    to.append(&value, sizeof value);
  } else {
    static_assert(may_be_encoded<T>(),
                  "rankpool: a value of this type cannot be encoded: give it a serialize member, as "
                  "Boost.Serialization describes");
    const std::size_t before = to.size();
    try {
      OArchive archive(to);
      archive << value;
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
template <>
inline constexpr bool one_run<std::string> = true;

/// The value whose bytes `read(to)` writes.
template <class T, class Read>
T read_plain(const Read& read) {
  if constexpr (std::is_same_v<T, bool>) {
    std::byte byte{};
    read(&byte);
    return byte != std::byte{0};
  } else if constexpr (std::is_default_constructible_v<T>) {
    T value;
    read(static_cast<void*>(&value));
    return value;
  } else {
    union Raw {
      Raw() {}
      T value;
    } raw;
    read(static_cast<void*>(&raw.value));
    return raw.value;
  }
}

/// The value that fills what is left of `from` exactly. Throws SerializationError, or what the type's own `serialize`
/// throws.
template <class T>
T decode(Input& from) {
  if constexpr (is_function_pointer<T>) {
    CodeRef ref;
    if (from.left() != sizeof ref) throw SerializationError("an encoded function of a wrong size");
    from.read(&ref, sizeof ref);
    return ref == CodeRef{} ? nullptr : reinterpret_cast<T>(const_cast<void*>(resolve(ref)));
  } else if constexpr (std::is_empty_v<T> && plain_bytes<T>) {
    if (from.left() != 0) throw SerializationError("an encoded value is too long");
    return T{};
  } else if constexpr (plain_bytes<T>) {
    if (from.left() != sizeof(T)) throw SerializationError("an encoded value of a wrong size");
    return read_plain<T>([&](void* to) { from.read(to, sizeof(T)); });
  } else {
    static_assert(std::is_default_constructible_v<T>,
                  "rankpool: a type that is not trivially copyable needs a default constructor to be decoded");
    T value{};
    IArchive archive(from);
    archive >> value;
    if (archive.left() != 0) throw SerializationError("an encoded value is too long");
    return value;
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
