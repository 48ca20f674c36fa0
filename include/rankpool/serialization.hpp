#pragma once

// How the standard types travel: Boost.Serialization's headers, and what Boost 1.74 lacks.

#include <boost/serialization/array.hpp>
#include <boost/serialization/bitset.hpp>
#include <boost/serialization/complex.hpp>
#include <boost/serialization/deque.hpp>
#include <boost/serialization/forward_list.hpp>
#include <boost/serialization/list.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/set.hpp>
#include <boost/serialization/shared_ptr.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/split_member.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/unique_ptr.hpp>
#include <boost/serialization/unordered_map.hpp>
#include <boost/serialization/unordered_set.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/valarray.hpp>
#include <boost/serialization/vector.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <variant>

namespace boost::serialization {

template <class Archive, class... T>
void serialize(Archive& archive, std::tuple<T...>& tuple, const unsigned) {
  std::apply([&](T&... part) { (void)(archive & ... & part); }, tuple);
}

// Saving and loading stand in one function each: as free functions of their own they would meet Boost's for smart
// pointers, which take any template.
template <class Archive, class T>
void serialize(Archive& archive, std::optional<T>& value, const unsigned) {
  bool there = value.has_value();
  archive& there;
  if constexpr (Archive::is_saving::value) {
    if (there) archive << *value;
  } else {
    value.reset();
    if (there) archive >> value.emplace();
  }
}

template <std::size_t Index = 0, class Archive, class... T>
void load_alternative(Archive& archive, std::variant<T...>& value, std::uint64_t index) {
  if constexpr (Index == sizeof...(T)) {
    throw std::length_error("an encoded variant holds none of its alternatives");
  } else if (index == Index) {
    archive >> value.template emplace<Index>();
  } else {
    load_alternative<Index + 1>(archive, value, index);
  }
}
template <class Archive, class... T>
void serialize(Archive& archive, std::variant<T...>& value, const unsigned) {
  auto index = static_cast<std::uint64_t>(value.index());
  archive& index;
  if constexpr (Archive::is_saving::value) {
    std::visit([&](const auto& held) { archive << held; }, value);
  } else {
    load_alternative(archive, value, index);
  }
}

}  // namespace boost::serialization
