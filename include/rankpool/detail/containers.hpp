#pragma once

#include <rankpool/detail/code_ref.hpp>
#include <rankpool/detail/direct.hpp>
#include <rankpool/detail/travel.hpp>
#include <rankpool/errors.hpp>

#include <boost/serialization/serialization.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// How types of std go through the archives, part by part. Nothing that is read is trusted.
namespace rankpool::inline v0_2::detail {

/// The value whose bytes `read(to)` writes.
template <class T, class Read>
T read_plain(const Read& read) {
  if constexpr (std::is_same_v<T, bool>) {
    std::byte byte{};
    read(&byte);
    return byte != std::byte{0};
  } else if constexpr (std::is_default_constructible_v<T>) {
    T value;
    read(static_cast<void*>(std::addressof(value)));
    return value;
  } else {
    union Raw {
      Raw() {}
      T value;
    } raw;
    read(static_cast<void*>(std::addressof(raw.value)));
    return raw.value;
  }
}

/// Where a value is made and decoded before it goes to its place.
template <class T>
class Decoded {
 public:
  template <class Archive>
  explicit Decoded(Archive& archive) {
    if constexpr (plain_bytes<T>) {
      ::new (static_cast<void*>(std::addressof(value_)))
          T(read_plain<T>([&](void* to) { archive.load_binary(to, std::is_empty_v<T> ? 0 : sizeof(T)); }));
    } else {
      if constexpr (std::is_default_constructible_v<T>) {
        ::new (static_cast<void*>(std::addressof(value_))) T();
      } else {
        boost::serialization::load_construct_data_adl(archive, std::addressof(value_), 0U);
      }
      try {
        archive >> value_;
      } catch (...) {
        value_.~T();
        throw;
      }
    }
  }
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;
  ~Decoded() { value_.~T(); }
  [[nodiscard]] T& value() noexcept { return value_; }

 private:
  union {
    T value_;
  };
};

/// The container that a stack or a queue keeps, which is a protected member of it.
template <class Adaptor>
struct OpenAdaptor : Adaptor {
  static auto& container_of(Adaptor& adaptor) { return adaptor.*(&OpenAdaptor::c); }
};
inline void check_index(std::uint64_t index, std::size_t end) {
  if (index >= end) throw SerializationError("an encoded variant holds none of its alternatives");
}

/// Its counterpart: what Boost is to make the value from goes before it.
template <class Archive, class T>
void save_made(Archive& archive, const T& value) {
  if constexpr (!plain_bytes<T> && !std::is_default_constructible_v<T>) {
    boost::serialization::save_construct_data_adl(archive, std::addressof(value), 0U);
  }
  archive << value;
}

template <class Archive, class T>
void save_container(Archive& archive, const T& container) {
  std::uint64_t size = 0;
  if constexpr (requires { container.size(); }) {
    size = container.size();
  } else {
    size = static_cast<std::uint64_t>(std::distance(container.begin(), container.end()));
  }
  archive << size;
  for (const auto& element : container) {
    if constexpr (requires { typename T::mapped_type; }) {
      save_made(archive, element.first);
      save_made(archive, element.second);
    } else {
      save_made(archive, element);
    }
  }
}
template <class Archive, class T>
void load_container(Archive& archive, T& container) {
  using Element = typename T::value_type;
  const std::size_t size = archive.load_count();
  container.clear();
  if constexpr (requires { container.reserve(size); }) container.reserve(std::min(size, archive.left()));
  // Boost remembers where it has loaded an object, in case that a pointer to it follows.
  const auto moved = [&](const auto& to, const auto& from) {
    archive.reset_object_address(std::addressof(to), std::addressof(from));
  };
  if constexpr (requires { typename T::mapped_type; }) {
    using Mapped = typename T::mapped_type;
    for (std::size_t i = 0; i < size; ++i) {
      Decoded<typename T::key_type> key(archive);
      if constexpr (std::is_default_constructible_v<Mapped>) {
        auto& place = *container.emplace_hint(container.end(), std::move(key.value()), Mapped());
        moved(place.first, key.value());
        archive >> place.second;
      } else {
        Decoded<Mapped> mapped(archive);
        auto& place = *container.emplace_hint(container.end(), std::move(key.value()), std::move(mapped.value()));
        moved(place.first, key.value());
        moved(place.second, mapped.value());
      }
    }
  } else if constexpr (requires(Element && element) { container.emplace_hint(container.end(), std::move(element)); }) {
    for (std::size_t i = 0; i < size; ++i) {
      Decoded<Element> element(archive);
      moved(*container.emplace_hint(container.end(), std::move(element.value())), element.value());
    }
  } else if constexpr (requires(Element && element) { container.emplace_back(std::move(element)); }) {
    for (std::size_t i = 0; i < size; ++i) {
      if constexpr (std::is_same_v<Element, bool>) {
        bool element = false;
        archive >> element;
        container.push_back(element);
      } else if constexpr (std::is_default_constructible_v<Element>) {
        container.emplace_back();
        archive >> container.back();
      } else {
        Decoded<Element> element(archive);
        container.emplace_back(std::move(element.value()));
        moved(container.back(), element.value());
      }
    }
  } else {
    auto at = container.before_begin();
    for (std::size_t i = 0; i < size; ++i) {
      Decoded<Element> element(archive);
      at = container.emplace_after(at, std::move(element.value()));
      moved(*at, element.value());
    }
  }
}

template <std::size_t Index = 0, class Archive, class... T>
void load_alternative(Archive& archive, std::variant<T...>& value, std::uint64_t index) {
  if constexpr (Index < sizeof...(T)) {
    if (index != Index) return load_alternative<Index + 1>(archive, value, index);
    using Held = std::variant_alternative_t<Index, std::variant<T...>>;
    if constexpr (std::is_default_constructible_v<Held>) {
      archive >> value.template emplace<Index>();
    } else {
      Decoded<Held> held(archive);
      archive.reset_object_address(std::addressof(value.template emplace<Index>(std::move(held.value()))),
                                   std::addressof(held.value()));
    }
  }
}

/// The parts of arrays, pairs and tuples, for reading as for writing.
template <class T, class Use>
void visit_parts(T& value, const Use& use) {
  if constexpr (std::is_array_v<T> || Standard<std::remove_const_t<T>>::shape == Shape::array) {
    for (auto& part : value) use(part);
  } else {
    std::apply([&](auto&... part) { (use(part), ...); }, value);
  }
}

template <class Archive, class T>
void save_standard(Archive& archive, const T& value) {
  constexpr Shape shape = std::is_array_v<T> ? Shape::array : Standard<T>::shape;
  if constexpr (shape == Shape::container) {
    save_container(archive, value);
  } else if constexpr (shape == Shape::array || shape == Shape::pair || shape == Shape::tuple) {
    visit_parts(value, [&](const auto& part) { archive << part; });
  } else if constexpr (shape == Shape::optional) {
    const bool there = value.has_value();
    archive << there;
    if (there) save_made(archive, *value);
  } else if constexpr (shape == Shape::variant) {
    const auto index = static_cast<std::uint64_t>(value.index());
    check_index(index, std::variant_size_v<T>);
    archive << index;
    std::visit([&](const auto& held) { save_made(archive, held); }, value);
  } else if constexpr (shape == Shape::adaptor) {
    archive << std::as_const(OpenAdaptor<T>::container_of(const_cast<T&>(value)));
  } else if constexpr (shape == Shape::valarray) {
    archive << static_cast<std::uint64_t>(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) archive << value[i];
  } else if constexpr (shape == Shape::path) {
    archive << value.native();
  } else if constexpr (shape == Shape::error_code) {
    const CategoryRef category = category_ref(value.category());
    archive << value.value() << category.kind << category.object << category.table;
  } else {
    archive.save_pointer_to(value);
  }
}

template <class Archive, class T>
void load_standard(Archive& archive, T& value) {
  constexpr Shape shape = std::is_array_v<T> ? Shape::array : Standard<T>::shape;
  if constexpr (shape == Shape::container) {
    load_container(archive, value);
  } else if constexpr (shape == Shape::array || shape == Shape::pair || shape == Shape::tuple) {
    visit_parts(value, [&]<class Part>(Part& part) { archive >> const_cast<std::remove_const_t<Part>&>(part); });
  } else if constexpr (shape == Shape::optional) {
    using Held = typename T::value_type;
    bool there = false;
    archive >> there;
    value.reset();
    if (!there) return;
    if constexpr (std::is_default_constructible_v<Held>) {
      archive >> value.emplace();
    } else {
      Decoded<Held> held(archive);
      archive.reset_object_address(std::addressof(value.emplace(std::move(held.value()))),
                                   std::addressof(held.value()));
    }
  } else if constexpr (shape == Shape::variant) {
    std::uint64_t index = 0;
    archive >> index;
    check_index(index, std::variant_size_v<T>);
    load_alternative(archive, value, index);
  } else if constexpr (shape == Shape::adaptor) {
    archive >> OpenAdaptor<T>::container_of(value);
  } else if constexpr (shape == Shape::valarray) {
    std::uint64_t size = 0;
    archive >> size;
    if (size > archive.left()) throw SerializationError("an encoded value ends too early");
    value.resize(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < value.size(); ++i) archive >> value[i];
  } else if constexpr (shape == Shape::path) {
    typename T::string_type text;
    archive >> text;
    value = T(std::move(text));
  } else if constexpr (shape == Shape::error_code) {
    int number = 0;
    CategoryRef category;
    archive >> number >> category.kind >> category.object >> category.table;
    value.assign(number, resolve_category(category));
  } else {
    archive.load_pointer_to(value);
  }
}

}  // namespace rankpool::inline v0_2::detail
