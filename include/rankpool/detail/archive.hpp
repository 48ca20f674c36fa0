#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/direct.hpp>
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
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace rankpool::inline v0_2::detail {

class OArchive;
class IArchive;

/// Containers whose elements travel without the number of buckets, which Boost would send: no bound is known for it.
template <class T>
concept Bucketed = from_std_or_boost<T>() && requires(T& container, std::size_t count) {
  typename T::hasher;
  typename T::value_type;
  container.bucket_count();
  container.rehash(count);
};

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
  template <class T>
  requires DirectlyComposed<T>
  void save_override(const T& value) { DirectWriter(to_.grow_by(DirectSize::of(value))).write(value); }
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
    check_left(from_, size);
    from_.read(to, size);
  }
  template <class T>
  void load_array(boost::serialization::array_wrapper<T>& array, unsigned) {
    if (array.count() > left() / sizeof(T)) check_left(from_, static_cast<std::size_t>(-1));
    load_binary(array.address(), array.count() * sizeof(T));
  }

 private:
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
  template <class T>
  requires DirectlyComposed<T>
  void load_override(T& value) { DirectReader(from_).read(value); }
  void load_override(boost::serialization::collection_size_type& size) {
    size = boost::serialization::collection_size_type(load_size());
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
  // An element takes at least no byte at all, but a count beyond what is left is refused where elements take some:
  // containers of empty types do not occur in lengths that matter.
  std::size_t load_size() {
    std::uint64_t size = 0;
    load_binary(&size, sizeof size);
    if (size > 8 * left() + 8) check_left(from_, static_cast<std::size_t>(-1));
    return static_cast<std::size_t>(size);
  }
  template <class Container>
  void load_elements(Container& container) {
    using Element = typename Container::value_type;
    const std::size_t size = load_size();
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

}  // namespace rankpool::inline v0_2::detail

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
