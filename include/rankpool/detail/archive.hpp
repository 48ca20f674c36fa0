#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/input.hpp>
#include <rankpool/errors.hpp>

#include <boost/archive/detail/common_iarchive.hpp>
#include <boost/archive/detail/common_oarchive.hpp>
#include <boost/archive/detail/register_archive.hpp>
#include <boost/serialization/array_optimization.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/detail/stack_constructor.hpp>
#include <boost/serialization/is_bitwise_serializable.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/string.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::detail {

class OArchive;
class IArchive;

// Whether a type brings a `serialize` of its own: as a member (a private one too, hence by its name), or as a free
// function that look-up finds by the type.
struct ProbeArchive {};
struct SerializeNamed {
  int serialize;
};
template <class T>
struct MergedWithNamed : T, SerializeNamed {};
template <class T>
constexpr bool has_member_serialize() {
  if constexpr (std::is_class_v<T> && !std::is_final_v<T>) {
    return !requires { &MergedWithNamed<T>::serialize; };  // ambiguous only if T has the name too
  } else {
    return requires(ProbeArchive & archive, T & value) { value.serialize(archive, 0U); };
  }
}
template <class T>
concept HasFreeSerialize = requires(ProbeArchive& archive, T& value) {
  serialize(archive, value, 0U);
};

template <class T>
concept HasSplitSerialize = requires(ProbeArchive& archive, T& value, const T& constant) {
  save(archive, constant, 0U);
  load(archive, value, 0U);
};
/// True for class types of namespaces std and boost, by the name of the type.
template <class T>
constexpr bool from_std_or_boost() {
  const std::string_view name = __PRETTY_FUNCTION__;
  const auto begin = name.find("T = ");
  if (begin == std::string_view::npos) return true;
  const auto type = name.substr(begin + 4);
  return type.starts_with("std::") || type.starts_with("boost::");
}

/// Values of such types travel as their bytes.
template <class T>
inline constexpr bool plain_bytes =
    std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && !std::is_member_pointer_v<T> && !std::is_array_v<T> &&
    (std::is_arithmetic_v<T> || std::is_enum_v<T> || (!has_member_serialize<T>() && !HasFreeSerialize<T>));

/// Containers whose elements travel without the number of buckets, which Boost would send: no bound is known for it.
template <class T>
concept Bucketed = from_std_or_boost<T>() && requires(T& container, std::size_t count) {
  typename T::hasher;
  typename T::value_type;
  container.bucket_count();
  container.rehash(count);
};

/// Elements of which a container travels as nothing but their number and their content, and the fewest bytes that one
/// takes; 0 for others.
template <class T>
inline constexpr std::size_t direct_bytes =
    plain_bytes<T>&& std::is_default_constructible_v<T> && !std::is_same_v<T, bool> ? sizeof(T) : 0;
template <class T>
inline constexpr std::size_t direct_bytes<const T> = direct_bytes<T>;
template <>
inline constexpr std::size_t direct_bytes<std::string> = sizeof(std::uint64_t);
template <class T, class A>
inline constexpr std::size_t direct_bytes<std::vector<T, A>> = direct_bytes<T> != 0 ? sizeof(std::uint64_t) : 0;
template <class A, class B>
inline constexpr std::size_t direct_bytes<std::pair<A, B>> =
    direct_bytes<A> != 0 && direct_bytes<B> != 0 ? direct_bytes<A> + direct_bytes<B> : 0;
template <class K, class V, class C, class A>
inline constexpr std::size_t direct_bytes<std::map<K, V, C, A>> = direct_bytes<std::pair<K, V>> != 0
                                                                      ? sizeof(std::uint64_t)
                                                                      : 0;
template <class K, class C, class A>
inline constexpr std::size_t direct_bytes<std::set<K, C, A>> = direct_bytes<K> != 0 ? sizeof(std::uint64_t) : 0;
template <class T>
inline constexpr bool direct_element = direct_bytes<T> != 0;

/// A Boost.Serialization archive that writes to Bytes.
class OArchive : public boost::archive::detail::common_oarchive<OArchive> {
  using Base = boost::archive::detail::common_oarchive<OArchive>;
  friend class boost::archive::detail::interface_oarchive<OArchive>;
  friend class boost::archive::save_access;

 public:
  explicit OArchive(Bytes& to) : Base(boost::archive::no_header), to_(to) {}

  void save_binary(const void* from, std::size_t size) { to_.append(from, size); }
  template <class T>
  void save_array(const boost::serialization::array_wrapper<T>& array, unsigned) {
    save_binary(array.address(), array.count() * sizeof(T));
  }

 private:
  template <class T>
  void save_override(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      save_binary(&value, sizeof value);
    } else if constexpr (plain_bytes<T> && std::is_class_v<T>) {
      save_binary(&value, sizeof value);
    } else if constexpr (Bucketed<T>) {
      save_size(value.size());
      for (const auto& element : value) *this << element;
    } else {
      Base::save_override(value);
    }
  }
  void save_override(const std::string& text) { save_sized(text.data(), text.size()); }
  template <class T, class A>
  requires direct_element<T>
  void save_override(const std::vector<T, A>& values) {
    if constexpr (plain_bytes<T>) {
      save_sized(values.data(), values.size(), sizeof(T));
    } else {
      save_each(values);
    }
  }
  template <class A, class B>
  requires direct_element<std::pair<A, B>>
  void save_override(const std::pair<A, B>& both) {
    save_override(both.first);
    save_override(both.second);
  }
  template <class K, class V, class C, class A>
  requires direct_element<std::map<K, V, C, A>>
  void save_override(const std::map<K, V, C, A>& values) { save_each(values); }
  template <class K, class C, class A>
  requires direct_element<std::set<K, C, A>>
  void save_override(const std::set<K, C, A>& values) { save_each(values); }
  template <class Container>
  void save_each(const Container& values) {
    if constexpr (std::is_same_v<typename Container::value_type, std::string>) {
      std::size_t size = sizeof(std::uint64_t) * (1 + values.size());
      for (const auto& text : values) size += text.size();
      to_.reserve_more(size);
    }
    save_size(values.size());
    for (const auto& value : values) save_override(value);
  }
  void save_override(const boost::serialization::collection_size_type& size) {
    save_size(static_cast<std::uint64_t>(size));
  }
  void save_override(const boost::serialization::item_version_type&) {}
  void save_override(const boost::archive::class_id_optional_type&) {}
  void save_override(const boost::archive::class_name_type& name) { save_override(std::string(name)); }
  // What remains of the archive's own words: small integers.
  void save_override(const boost::archive::version_type& v) { save_word(static_cast<unsigned>(v)); }
  void save_override(const boost::archive::class_id_type& v) { save_word(static_cast<int>(v)); }
  void save_override(const boost::archive::class_id_reference_type& v) { save_class(v); }
  void save_override(const boost::archive::object_id_type& v) { save_word(static_cast<unsigned>(v)); }
  void save_override(const boost::archive::object_reference_type& v) { save_object_id(v); }
  void save_override(const boost::archive::tracking_type& v) { save_word(static_cast<bool>(v)); }
  void save_class(const boost::archive::class_id_type& v) { save_word(static_cast<int>(v)); }
  void save_object_id(const boost::archive::object_id_type& v) { save_word(static_cast<unsigned>(v)); }
  template <class Word>
  void save_word(Word word) {
    save_binary(&word, sizeof word);
  }
  void save_size(std::uint64_t size) { save_binary(&size, sizeof size); }
  /// The number of elements, then their bytes.
  void save_sized(const void* from, std::uint64_t count, std::size_t each = 1) {
    const std::size_t size = static_cast<std::size_t>(count) * each;
    std::byte* const to = to_.grow_by(sizeof count + size);
    std::memcpy(to, &count, sizeof count);
    if (size != 0) std::memcpy(to + sizeof count, from, size);
  }
  template <class T>
  void save(const T& value) {
    static_assert(std::is_arithmetic_v<T>);
    save_binary(&value, sizeof value);
  }
  void save(const std::string& text) { save_override(text); }

  Bytes& to_;
};

/// Its counterpart; every read is checked against the end.
class IArchive : public boost::archive::detail::common_iarchive<IArchive> {
  using Base = boost::archive::detail::common_iarchive<IArchive>;
  friend class boost::archive::detail::interface_iarchive<IArchive>;
  friend class boost::archive::load_access;

 public:
  explicit IArchive(Input& from) : Base(boost::archive::no_header), from_(from) {}

  [[nodiscard]] std::size_t left() const noexcept { return from_.left(); }
  void load_binary(void* to, std::size_t size) {
    check(size);
    from_.read(to, size);
  }
  template <class T>
  void load_array(boost::serialization::array_wrapper<T>& array, unsigned) {
    if (array.count() > left() / sizeof(T)) check(static_cast<std::size_t>(-1));
    load_binary(array.address(), array.count() * sizeof(T));
  }

 private:
  void check(std::size_t size) const {
    if (size > left()) throw SerializationError("an encoded value ends too early");
  }
  template <class T>
  void load_override(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      unsigned char byte = 0;
      load_binary(&byte, 1);
      value = byte != 0;
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      load_binary(&value, sizeof value);
    } else if constexpr (plain_bytes<T> && std::is_class_v<T>) {
      load_binary(static_cast<void*>(&value), sizeof value);
    } else if constexpr (Bucketed<T>) {
      load_elements(value);
    } else {
      Base::load_override(value);
    }
  }
  void load_override(std::string& text) {
    const std::size_t size = load_size(1);
    if (const auto* const begin = from_.read_in_place(size)) {
      text.assign(reinterpret_cast<const char*>(begin), size);
      return;
    }
    text.clear();
    text.reserve(size);
    from_.read_parts(size, [&](std::span<const std::byte> part) {
      text.append(reinterpret_cast<const char*>(part.data()), part.size());
    });
  }
  template <class T, class A>
  requires direct_element<T>
  void load_override(std::vector<T, A>& values) {
    values.clear();
    if constexpr (plain_bytes<T>) {
      load_plain(values, load_size(sizeof(T)));
    } else {
      const std::size_t size = load_size(direct_bytes<T>);
      values.reserve(size);
      for (std::size_t i = 0; i < size; ++i) load_override(values.emplace_back());
    }
  }
  template <class A, class B>
  requires direct_element<std::pair<A, B>>
  void load_override(std::pair<A, B>& both) {
    load_override(const_cast<std::remove_const_t<A>&>(both.first));
    load_override(both.second);
  }
  // They come in order: each belongs behind all before it.
  template <class K, class V, class C, class A>
  requires direct_element<std::map<K, V, C, A>>
  void load_override(std::map<K, V, C, A>& values) {
    values.clear();
    for (std::size_t left = load_size(direct_bytes<std::pair<K, V>>); left > 0; --left) {
      K key{};
      load_override(key);
      load_override(values.emplace_hint(values.end(), std::move(key), V{})->second);
    }
  }
  template <class K, class C, class A>
  requires direct_element<std::set<K, C, A>>
  void load_override(std::set<K, C, A>& values) {
    values.clear();
    for (std::size_t left = load_size(direct_bytes<K>); left > 0; --left) {
      K key{};
      load_override(key);
      values.emplace_hint(values.end(), std::move(key));
    }
  }
  /// Grows it by so little at a time that the zeros, which `resize` writes first, are still in the cache when they are
  /// written over.
  template <class T, class A>
  void load_plain(std::vector<T, A>& values, std::size_t size) {
    constexpr std::size_t step = std::max<std::size_t>(1, (std::size_t{32} << 10U) / sizeof(T));
    values.reserve(size);
    advise_huge(values.data(), size * sizeof(T));
    while (values.size() < size) {
      const std::size_t begin = values.size();
      const std::size_t part = std::min(step, size - begin);
      values.resize(begin + part);
      load_binary(static_cast<void*>(values.data() + begin), part * sizeof(T));
    }
  }
  // An element takes at least no byte at all, but a count beyond what is left is refused where elements take some:
  // containers of empty types do not occur in lengths that matter.
  void load_override(boost::serialization::collection_size_type& size) {
    size = boost::serialization::collection_size_type(load_size(0));
  }
  void load_override(boost::serialization::item_version_type& version) {
    version = boost::serialization::item_version_type(0);
  }
  void load_override(boost::archive::class_id_optional_type&) {}
  void load_override(boost::archive::class_name_type& name) {
    std::string text;
    load_override(text);
    if (text.size() >= BOOST_SERIALIZATION_MAX_KEY_SIZE) throw SerializationError("a class name is too long");
    std::memcpy(name, text.c_str(), text.size() + 1);
  }
  void load_override(boost::archive::version_type& v) { v = boost::archive::version_type(load_word<unsigned>()); }
  void load_override(boost::archive::class_id_type& v) { v = boost::archive::class_id_type(load_word<int>()); }
  void load_override(boost::archive::class_id_reference_type& v) {
    static_cast<boost::archive::class_id_type&>(v) = boost::archive::class_id_type(load_word<int>());
  }
  void load_override(boost::archive::object_id_type& v) { v = boost::archive::object_id_type(load_word<unsigned>()); }
  void load_override(boost::archive::object_reference_type& v) {
    static_cast<boost::archive::object_id_type&>(v) = boost::archive::object_id_type(load_word<unsigned>());
  }
  void load_override(boost::archive::tracking_type& v) { v = boost::archive::tracking_type(load_word<bool>()); }
  template <class Word>
  Word load_word() {
    Word word{};
    if constexpr (std::is_same_v<Word, bool>) {
      unsigned char byte = 0;
      load_binary(&byte, 1);
      word = byte != 0;
    } else {
      load_binary(&word, sizeof word);
    }
    return word;
  }
  std::size_t load_size(std::size_t each) {
    std::uint64_t size = 0;
    load_binary(&size, sizeof size);
    if (each != 0 ? size > left() / each : size > 8 * left() + 8) check(static_cast<std::size_t>(-1));
    return static_cast<std::size_t>(size);
  }
  template <class Container>
  void load_elements(Container& container) {
    using Element = typename Container::value_type;
    const std::size_t size = load_size(0);
    container.clear();
    container.reserve(std::min(size, left()));
    for (std::size_t i = 0; i < size; ++i) {
      boost::serialization::detail::stack_construct<IArchive, Element> element(*this, 0);
      *this >> element.reference();
      const auto at = container.insert(container.end(), std::move(element.reference()));
      this->reset_object_address(std::addressof(*at), element.address());
    }
  }
  template <class T>
  void load(T& value) {
    load_override(value);
  }

  Input& from_;
};

}  // namespace rankpool::detail

BOOST_SERIALIZATION_REGISTER_ARCHIVE(rankpool::detail::OArchive)
BOOST_SERIALIZATION_REGISTER_ARCHIVE(rankpool::detail::IArchive)

namespace boost::serialization {
template <>
struct use_array_optimization<rankpool::detail::OArchive> {
  template <class T>
  struct apply : mpl::bool_<rankpool::detail::plain_bytes<typename remove_const<T>::type> && !std::is_same_v<T, bool>> {
  };
};
template <>
struct use_array_optimization<rankpool::detail::IArchive> {
  template <class T>
  struct apply : mpl::bool_<rankpool::detail::plain_bytes<typename remove_const<T>::type> && !std::is_same_v<T, bool>> {
  };
};
}  // namespace boost::serialization
