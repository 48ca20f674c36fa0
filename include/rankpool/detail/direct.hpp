#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/input.hpp>
#include <rankpool/detail/travel.hpp>
#include <rankpool/errors.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

// What travels without an archive: plain values as their bytes, and texts and the usual containers of such as the
// number of their elements and these, one behind the other.
namespace rankpool::inline v0_2::detail {

/// Elements of which a container travels as nothing but their number and their content, and the fewest bytes that one
/// takes; 0 for others.
template <class T>
inline constexpr std::size_t direct_bytes =
    plain_bytes<T>&& std::is_default_constructible_v<T> && !std::is_same_v<T, bool> ? sizeof(T) : 0;
template <class T>
inline constexpr std::size_t direct_bytes<const T> = direct_bytes<T>;
template <class C, class Traits, class A>
inline constexpr std::size_t direct_bytes<std::basic_string<C, Traits, A>> = sizeof(std::uint64_t);
template <class T, class A>
inline constexpr std::size_t direct_bytes<std::vector<T, A>> = direct_bytes<T> != 0 ? sizeof(std::uint64_t) : 0;
template <class A, class B>
inline constexpr std::size_t direct_bytes<std::pair<A, B>> =
    direct_bytes<A> != 0 && direct_bytes<B> != 0 ? direct_bytes<A> + direct_bytes<B> : 0;
template <class K, class V, class C, class A>
inline constexpr std::size_t direct_bytes<std::map<K, V, C, A>> = direct_bytes<std::pair<K, V>> != 0 &&
                                                                          is_rule_of_type<C>
                                                                      ? sizeof(std::uint64_t)
                                                                      : 0;
template <class K, class C, class A>
inline constexpr std::size_t direct_bytes<std::set<K, C, A>> = direct_bytes<K> != 0 && is_rule_of_type<C>
                                                                   ? sizeof(std::uint64_t)
                                                                   : 0;
template <class T>
inline constexpr bool direct_element = direct_bytes<T> != 0;
/// Such a text or container itself.
template <class T>
concept DirectlyComposed = direct_element<T> && !plain_bytes<T>;

/// How many bytes a direct value takes.
class DirectSize {
 public:
  template <class T>
  static std::size_t of(const T&) {
    return sizeof(T);
  }
  template <class C, class Traits, class A>
  static std::size_t of(const std::basic_string<C, Traits, A>& text) {
    return kCount + text.size() * sizeof(C);
  }
  template <class T, class A>
  static std::size_t of(const std::vector<T, A>& values) {
    return plain_bytes<T> ? kCount + values.size() * sizeof(T) : of_each(values);
  }
  template <class A, class B>
  static std::size_t of(const std::pair<A, B>& both) {
    return of(both.first) + of(both.second);
  }
  template <class K, class V, class C, class A>
  static std::size_t of(const std::map<K, V, C, A>& values) {
    return of_each(values);
  }
  template <class K, class C, class A>
  static std::size_t of(const std::set<K, C, A>& values) {
    return of_each(values);
  }

 private:
  static constexpr std::size_t kCount = sizeof(std::uint64_t);
  template <class Container>
  static std::size_t of_each(const Container& values) {
    std::size_t size = kCount;
    for (const auto& value : values) size += of(value);
    return size;
  }
};

/// Writes direct values to where there is room for them.
class DirectWriter {
 public:
  explicit DirectWriter(std::byte* to) noexcept : to_(to) {}

  template <class T>
  void write(const T& value) noexcept {
    copy(std::addressof(value), sizeof value);
  }
  template <class C, class Traits, class A>
  void write(const std::basic_string<C, Traits, A>& text) noexcept {
    write_run(text.data(), text.size(), sizeof(C));
  }
  template <class T, class A>
  void write(const std::vector<T, A>& values) noexcept {
    if constexpr (plain_bytes<T>) {
      write_run(values.data(), values.size(), sizeof(T));
    } else {
      write_each(values);
    }
  }
  template <class A, class B>
  void write(const std::pair<A, B>& both) noexcept {
    write(both.first);
    write(both.second);
  }
  template <class K, class V, class C, class A>
  void write(const std::map<K, V, C, A>& values) noexcept {
    write_each(values);
  }
  template <class K, class C, class A>
  void write(const std::set<K, C, A>& values) noexcept {
    write_each(values);
  }

 private:
  void copy(const void* from, std::size_t size) noexcept {
    if (size != 0) std::memcpy(to_, from, size);
    to_ += size;
  }
  void write_run(const void* from, std::uint64_t count, std::size_t each) noexcept {
    write(count);
    copy(from, static_cast<std::size_t>(count) * each);
  }
  template <class Container>
  void write_each(const Container& values) noexcept {
    write(static_cast<std::uint64_t>(values.size()));
    for (const auto& value : values) write(value);
  }

  std::byte* to_;
};

/// Nothing that is read is trusted.
inline void check_left(const Input& from, std::size_t size) {
  if (size > from.left()) throw SerializationError("an encoded value ends too early");
}

/// Reads direct values.
class DirectReader {
 public:
  explicit DirectReader(Input& from) noexcept : from_(from) {}

  template <class T>
  void read(T& value) {
    read_bytes(static_cast<void*>(std::addressof(value)), sizeof value);
  }
  void read(std::string& text) {
    const std::size_t size = read_count(1);
    if (const char* const begin = text_in_place(size)) {
      text.assign(begin, size);
    } else {
      read_parts(text, size);
    }
  }
  template <class C, class Traits, class A>
  void read(std::basic_string<C, Traits, A>& text) {
    text.resize(read_count(sizeof(C)));
    read_bytes(text.data(), text.size() * sizeof(C));
  }
  template <class T, class A>
  void read(std::vector<T, A>& values) {
    values.clear();
    const std::size_t size = read_count(direct_bytes<T>);
    if constexpr (plain_bytes<T>) {
      read_plain(values, size);
    } else {
      values.reserve(size);
      for (std::size_t i = 0; i < size; ++i) values.push_back(make<T>());
    }
  }
  template <class A, class B>
  void read(std::pair<A, B>& both) {
    read(const_cast<std::remove_const_t<A>&>(both.first));
    read(both.second);
  }
  // They come in order: each belongs behind all before it.
  template <class K, class V, class C, class A>
  void read(std::map<K, V, C, A>& values) {
    values.clear();
    for (std::size_t left = read_count(direct_bytes<std::pair<K, V>>); left > 0; --left) {
      K key = make<K>();
      read(values.emplace_hint(values.end(), std::move(key), V{})->second);
    }
  }
  template <class K, class C, class A>
  void read(std::set<K, C, A>& values) {
    values.clear();
    for (std::size_t left = read_count(direct_bytes<K>); left > 0; --left) {
      values.emplace_hint(values.end(), make<K>());
    }
  }

 private:
  void read_bytes(void* to, std::size_t size) {
    check_left(from_, size);
    from_.read(to, size);
  }
  /// A number of elements, of which each takes so many bytes at least, hence no more than there may be.
  std::size_t read_count(std::size_t each) {
    std::uint64_t count = 0;
    read(count);
    if (count > from_.left() / each) check_left(from_, static_cast<std::size_t>(-1));
    return static_cast<std::size_t>(count);
  }
  [[nodiscard]] const char* text_in_place(std::size_t size) noexcept {
    return reinterpret_cast<const char*>(from_.read_in_place(size));
  }
  void read_parts(std::string& text, std::size_t size) {
    text.clear();
    text.reserve(size);
    from_.read_parts(size, [&](std::span<const std::byte> part) {
      text.append(reinterpret_cast<const char*>(part.data()), part.size());
    });
  }
  /// A text is made of its bytes: it would not be assigned to faster than that.
  template <class T>
  T make() {
    if constexpr (std::is_same_v<T, std::string>) {
      const std::size_t size = read_count(1);
      if (const char* const begin = text_in_place(size)) return std::string(begin, size);
      std::string text;
      read_parts(text, size);
      return text;
    } else {
      T value{};
      read(value);
      return value;
    }
  }
  /// Grows it by so little at a time that the zeros, which `resize` writes first, are still in the cache when they are
  /// written over.
  template <class T, class A>
  void read_plain(std::vector<T, A>& values, std::size_t size) {
    constexpr std::size_t step = std::max<std::size_t>(1, (std::size_t{32} << 10U) / sizeof(T));
    values.reserve(size);
    advise_huge(values.data(), size * sizeof(T));
    while (values.size() < size) {
      const std::size_t begin = values.size();
      const std::size_t part = std::min(step, size - begin);
      values.resize(begin + part);
      read_bytes(values.data() + begin, part * sizeof(T));
    }
  }

  Input& from_;
};

}  // namespace rankpool::inline v0_2::detail
