#pragma once

#include <boost/serialization/access.hpp>
#include <boost/serialization/serialization.hpp>

#include <concepts>
#include <type_traits>

// Whether a type brings serialisation of its own: what a program says itself goes before all that the library knows.
namespace rankpool::inline v0_2::detail {

class OArchive;

/// Stands for an archive where only look-up is asked. Free functions whose result is deduced are compiled with it.
struct ProbeArchive {
  struct is_saving {
    static constexpr bool value = true;
  };
  struct is_loading {
    static constexpr bool value = false;
  };
  template <class T>
  ProbeArchive& operator&(const T&);
  template <class T>
  ProbeArchive& operator<<(const T&);
  template <class T>
  ProbeArchive& operator>>(const T&);
};
/// What look-up finds for a type that has no function of its own.
struct NotFound {};

// A member may be private, with `boost::serialization::access` as a friend. Only the code of that class may look at it,
// and the body of a specialisation of its member is such code. The closures below are made there, and brought out by a
// friend function.
struct AccessProbe {
  friend constexpr auto probe_in_access(AccessProbe);
};
template <class Probe>
struct KeepProbe {
  friend constexpr auto probe_in_access(AccessProbe) { return Probe{}; }
};
enum class Asked { serialize, save_and_load, construct };

}  // namespace rankpool::inline v0_2::detail

namespace boost::serialization {

template <>
inline void access::serialize<rankpool::detail::ProbeArchive, rankpool::detail::AccessProbe>(
    rankpool::detail::ProbeArchive&, rankpool::detail::AccessProbe&, const unsigned) {
  using rankpool::detail::Asked;
  constexpr auto probe =
      []<class T, class A, Asked asked>(T * value, A * archive, std::integral_constant<Asked, asked>) constexpr {
    if constexpr (asked == Asked::serialize) {
      return requires { value->serialize(*archive, 0U); };
    } else if constexpr (asked == Asked::save_and_load) {
      return requires {
        static_cast<const T*>(value)->save(*archive, 0U);
        value->load(*archive, 0U);
      };
    } else {
      return requires { ::new (static_cast<void*>(value)) T; };
    }
  };
  (void)sizeof(rankpool::detail::KeepProbe<std::remove_const_t<decltype(probe)>>);
}

// Chosen before Boost's own, which takes any type, and after all that is made for one.
template <class Archive, class T>
requires std::same_as<Archive, rankpool::detail::ProbeArchive> rankpool::detail::NotFound serialize(Archive&, T&,
                                                                                                    const unsigned);
template <class Archive, class T>
requires std::same_as<Archive, rankpool::detail::ProbeArchive> rankpool::detail::NotFound load_construct_data(
    Archive&, T*, const unsigned);

}  // namespace boost::serialization

namespace rankpool::inline v0_2::detail {

template <class T, Asked asked>
inline constexpr bool in_access = decltype(probe_in_access(AccessProbe{})){}(static_cast<T*>(nullptr),
                                                                             static_cast<OArchive*>(nullptr),
                                                                             std::integral_constant<Asked, asked>{});

/// A member `serialize(archive, version)`, public or for Boost's `access`. Another one of that name is none.
template <class T>
constexpr bool has_member_serialize() {
  if constexpr (std::is_class_v<T>) {
    return in_access<T, Asked::serialize>;
  } else {
    return false;
  }
}
/// A free function `serialize(archive, value, version)` in the type's namespace, or in Boost.Serialization's.
template <class T>
concept HasFreeSerialize = !requires(ProbeArchive & archive, T& value, boost::serialization::version_type version) {
  { serialize(archive, value, version) } -> std::same_as<NotFound>;
};
template <class T>
concept HasOwnSerialize = has_member_serialize<T>() || HasFreeSerialize<T>;

/// `save` and `load`, of which Boost is not told.
template <class T>
concept HasSplitOnly = in_access<T, Asked::save_and_load> ||
    requires(ProbeArchive& archive, T& value, const T& constant) {
  save(archive, constant, 0U);
  load(archive, value, 0U);
};

/// What Boost can make before it loads into it.
template <class T>
concept BoostConstructible = in_access<T, Asked::construct> ||
    !requires(ProbeArchive & archive, T* room, boost::serialization::version_type version) {
  { load_construct_data(archive, room, version) } -> std::same_as<NotFound>;
};

}  // namespace rankpool::inline v0_2::detail
