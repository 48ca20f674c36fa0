#pragma once

#include <rankpool/detail/containers.hpp>
#include <rankpool/detail/direct.hpp>
#include <rankpool/detail/travel.hpp>
#include <rankpool/errors.hpp>

#include <boost/archive/archive_exception.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <typeindex>
#include <typeinfo>
#include <utility>
#include <vector>

// Pointers that own. What has serialisation of its own goes through Boost's pointers, which keep the derived class and
// send an object once; all else is known by its type, and of what several share the number is sent.
namespace rankpool::inline v0_2::detail {

template <class T>
constexpr bool goes_by_boost() {
  if constexpr (VerdictOn<T>::refused) {
    return true;
  } else {
    return VerdictOn<T>::way == Way::archive;
  }
}

/// To be called in a handler of Boost's archive_exception: says it in words that help.
[[noreturn]] void rethrow_pointer_error(const std::type_info& pointer, const std::type_info* object);

/// Objects that several pointers of one value may share, by the order in which they come.
class SharedOut {
 public:
  /// The number of the object, and whether it comes for the first time. 0: none.
  template <class T>
  std::pair<std::uint64_t, bool> number_of(const T* object) {
    if (object == nullptr) return {0, false};
    const auto [found, first] = numbers_.emplace(std::pair(object, std::type_index(typeid(T))), numbers_.size() + 1);
    return {found->second, first};
  }

 private:
  std::map<std::pair<const void*, std::type_index>, std::uint64_t> numbers_;
};
class SharedIn {
 public:
  struct Object {
    std::shared_ptr<void> owner;
    const std::type_info* type = nullptr;
  };
  /// The object of that number, which came before.
  template <class T>
  std::shared_ptr<T> get(std::uint64_t number) const {
    const Object& object = objects_.at(static_cast<std::size_t>(number) - 1);
    if (*object.type != typeid(T)) throw SerializationError("an encoded pointer is one to another type");
    return std::static_pointer_cast<T>(object.owner);
  }
  /// Where the next one has its place: an object may hold pointers to itself.
  template <class T>
  void add(std::shared_ptr<T> object) {
    objects_.push_back({std::move(object), &typeid(T)});
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return objects_.size(); }
  /// The owner of what Boost has loaded.
  template <class T>
  std::shared_ptr<T> own(T* object) {
    if (object == nullptr) return nullptr;
    const void* whole = object;
    if constexpr (std::is_polymorphic_v<T>) whole = dynamic_cast<const void*>(object);
    auto& owner = owners_[whole];
    if (!owner) owner = std::shared_ptr<T>(object);
    return std::shared_ptr<T>(owner, object);
  }

 private:
  std::vector<Object> objects_;
  std::map<const void*, std::shared_ptr<void>> owners_;
};

template <class Archive, class T>
void save_pointer(Archive& archive, T* pointer) {
  try {
    archive.save_by_boost(const_cast<std::remove_const_t<T>*>(pointer));
  } catch (const boost::archive::archive_exception&) {
    if constexpr (std::is_polymorphic_v<T>) {
      rethrow_pointer_error(typeid(T), pointer == nullptr ? nullptr : &typeid(*pointer));
    } else {
      rethrow_pointer_error(typeid(T), nullptr);
    }
  }
}
template <class Archive, class T>
void load_pointer(Archive& archive, T*& pointer) {
  try {
    archive.load_by_boost(pointer);
  } catch (const boost::archive::archive_exception&) {
    rethrow_pointer_error(typeid(T), nullptr);
  }
}

template <class Archive, class T>
void save_owned(Archive& archive, SharedOut&, const std::unique_ptr<T>& pointer) {
  if constexpr (goes_by_boost<T>()) {
    save_pointer(archive, pointer.get());
  } else {
    const bool there = pointer != nullptr;
    archive << there;
    if (there) archive << std::as_const(*pointer);
  }
}
template <class Archive, class T>
void load_owned(Archive& archive, SharedIn&, std::unique_ptr<T>& pointer) {
  using Plain = std::remove_const_t<T>;
  if constexpr (goes_by_boost<T>()) {
    Plain* loaded = nullptr;
    load_pointer(archive, loaded);
    pointer.reset(loaded);
  } else {
    bool there = false;
    archive >> there;
    pointer.reset();
    if (!there) return;
    if constexpr (std::is_default_constructible_v<Plain>) {
      auto made = std::make_unique<Plain>();
      archive >> *made;
      pointer = std::move(made);
    } else {
      Decoded<Plain> made(archive);
      pointer = std::make_unique<Plain>(std::move(made.value()));
    }
  }
}

template <class Archive, class T>
void save_owned(Archive& archive, SharedOut& shared, const std::shared_ptr<T>& pointer) {
  if constexpr (goes_by_boost<T>()) {
    save_pointer(archive, pointer.get());
  } else {
    const auto [number, first] = shared.number_of(pointer.get());
    archive << number;
    if (first) archive << std::as_const(*pointer);
  }
}
template <class Archive, class T>
void load_owned(Archive& archive, SharedIn& shared, std::shared_ptr<T>& pointer) {
  using Plain = std::remove_const_t<T>;
  if constexpr (goes_by_boost<T>()) {
    Plain* loaded = nullptr;
    load_pointer(archive, loaded);
    pointer = shared.own(loaded);
  } else {
    std::uint64_t number = 0;
    archive >> number;
    if (number == 0) {
      pointer = nullptr;
    } else if (number <= shared.size()) {
      pointer = shared.get<Plain>(number);
    } else if (number != shared.size() + 1) {
      throw SerializationError("an encoded pointer is one to nothing");
    } else if constexpr (std::is_default_constructible_v<Plain>) {
      auto made = std::make_shared<Plain>();
      shared.add(made);
      archive >> *made;
      pointer = std::move(made);
    } else {
      Decoded<Plain> value(archive);
      auto made = std::make_shared<Plain>(std::move(value.value()));
      shared.add(made);
      pointer = std::move(made);
    }
  }
}

template <class Archive, class T>
void save_owned(Archive& archive, SharedOut& shared, const std::weak_ptr<T>& pointer) {
  save_owned(archive, shared, pointer.lock());
}
template <class Archive, class T>
void load_owned(Archive& archive, SharedIn& shared, std::weak_ptr<T>& pointer) {
  std::shared_ptr<T> owner;
  load_owned(archive, shared, owner);
  pointer = owner;
}

}  // namespace rankpool::inline v0_2::detail
