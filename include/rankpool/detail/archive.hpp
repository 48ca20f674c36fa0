#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/code_ref.hpp>
#include <rankpool/detail/containers.hpp>
#include <rankpool/detail/direct.hpp>
#include <rankpool/detail/input.hpp>
#include <rankpool/detail/pointers.hpp>
#include <rankpool/detail/refusals.hpp>
#include <rankpool/detail/travel.hpp>
#include <rankpool/errors.hpp>

#include <boost/archive/detail/common_iarchive.hpp>
#include <boost/archive/detail/common_oarchive.hpp>
#include <boost/archive/detail/register_archive.hpp>
#include <boost/serialization/array_optimization.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/string.hpp>

#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// What Boost says to its archives, as `make_nvp` and `make_array` do.
template <class T>
inline constexpr bool is_boost_word =
    name_of_type<T>().starts_with("boost::serialization::") || name_of_type<T>().starts_with("boost::archive::");

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
  // For the library's own use.
  template <class T>
  void save_known(const T& value) {
    save_override(value);
  }
  template <class T>
  void save_by_boost(T* pointer) {
    Base::save_override(pointer);
  }
  template <class Pointer>
  void save_pointer_to(const Pointer& pointer) {
    if (!shared_) shared_ = std::make_unique<SharedOut>();
    save_owned(*this, *shared_, pointer);
  }

 private:
  template <class T>
  void save_override(const T& value) {
    if constexpr (std::is_pointer_v<T> && !is_function_pointer<T>) {
      save_pointer(*this, value);
    } else if constexpr (is_boost_word<T>) {
      Base::save_override(value);
    } else if constexpr (VerdictOn<T>::refused) {
      refuse<Role::value, T>(VerdictOn<T>{});
    } else {
      constexpr Way way = VerdictOn<T>::way;
      if constexpr (way == Way::bytes) {
        if constexpr (!std::is_empty_v<T>) save_binary(std::addressof(value), sizeof value);
      } else if constexpr (DirectlyComposed<T>) {
        DirectWriter(to_.grow_by(DirectSize::of(value))).write(value);
      } else if constexpr (way == Way::code) {
        const CodeRef ref = value == nullptr ? CodeRef{} : code_ref(reinterpret_cast<const void*>(value));
        save_binary(&ref, sizeof ref);
      } else if constexpr (way == Way::standard) {
        save_standard(*this, value);
      } else if constexpr (way == Way::fields) {
        visit_fields(value, [this](const auto&... field) { (void)(*this << ... << field); });
      } else {
        Base::save_override(value);
      }
    }
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
  template <class T>
  void save(const T& value) {
    static_assert(std::is_arithmetic_v<T>);
    save_binary(std::addressof(value), sizeof value);
  }
  void save(const std::string& text) { save_override(text); }

  Bytes& to_;
  std::unique_ptr<SharedOut> shared_;
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
  // For the library's own use.
  template <class T>
  void load_known(T& value) {
    load_override(value);
  }
  template <class T>
  void load_by_boost(T*& pointer) {
    Base::load_override(pointer);
  }
  template <class Pointer>
  void load_pointer_to(Pointer& pointer) {
    if (!shared_) shared_ = std::make_unique<SharedIn>();
    load_owned(*this, *shared_, pointer);
  }
  // A count that is beyond what is left is refused, with room for elements that take no byte.
  std::size_t load_count() {
    std::uint64_t size = 0;
    load_binary(&size, sizeof size);
    if (size > 8 * left() + 8) check_left(from_, static_cast<std::size_t>(-1));
    return static_cast<std::size_t>(size);
  }

 private:
  template <class T>
  void load_override(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      unsigned char byte = 0;
      load_binary(&byte, 1);
      value = byte != 0;
    } else if constexpr (std::is_pointer_v<T> && !is_function_pointer<T>) {
      load_pointer(*this, value);
    } else if constexpr (is_boost_word<T>) {
      Base::load_override(value);
    } else if constexpr (VerdictOn<T>::refused) {
      refuse<Role::value, T>(VerdictOn<T>{});
    } else {
      constexpr Way way = VerdictOn<T>::way;
      if constexpr (way == Way::bytes) {
        if constexpr (!std::is_empty_v<T>) {
          load_binary(const_cast<void*>(static_cast<const void*>(std::addressof(value))), sizeof value);
        }
      } else if constexpr (DirectlyComposed<T>) {
        DirectReader(from_).read(value);
      } else if constexpr (way == Way::code) {
        CodeRef ref;
        load_binary(&ref, sizeof ref);
        value = ref == CodeRef{} ? nullptr : reinterpret_cast<T>(const_cast<void*>(resolve(ref)));
      } else if constexpr (way == Way::standard) {
        load_standard(*this, value);
      } else if constexpr (way == Way::fields) {
        visit_fields(value, [this]<class... Field>(Field&... field) {
          (void)(*this >> ... >> const_cast<std::remove_const_t<Field>&>(field));
        });
      } else {
        Base::load_override(value);
      }
    }
  }
  void load_override(boost::serialization::collection_size_type& size) {
    size = boost::serialization::collection_size_type(load_count());
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
  template <class T>
  void load(T& value) {
    load_override(value);
  }

  Input& from_;
  std::unique_ptr<SharedIn> shared_;
};

}  // namespace rankpool::inline v0_2::detail

BOOST_SERIALIZATION_REGISTER_ARCHIVE(rankpool::detail::OArchive)
BOOST_SERIALIZATION_REGISTER_ARCHIVE(rankpool::detail::IArchive)

namespace boost::serialization {

// Where Boost comes by itself to a value that has no serialisation of its own, as behind a raw pointer.
template <class Archive, class T>
requires((std::same_as<Archive, rankpool::detail::OArchive> || std::same_as<Archive, rankpool::detail::IArchive>)&&  //
         !rankpool::detail::goes_by_boost<T>()) inline void serialize(Archive& archive, T& value, const unsigned) {
  if constexpr (Archive::is_saving::value) {
    archive.save_known(std::as_const(value));
  } else {
    archive.load_known(value);
  }
}

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
