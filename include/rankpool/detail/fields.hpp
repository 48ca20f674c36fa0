#pragma once

#include <rankpool/detail/static_name.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

// The members of an aggregate, without being told of them: how many there are is tried out, and structured bindings name
// them. Boost.PFR's technique.
namespace rankpool::inline v0_2::detail {

template <class... T>
struct Types {};

// Initialisers whose type is left to the member that they are tried on.
template <class Of>
struct AnyValue {
  template <class U>
  requires(!std::same_as<U, Of>) operator U() const;
};
template <class Of>
struct AnyReference {
  template <class U>
  requires(!std::same_as<U, Of>) operator U&() const;
};
template <class Of>
struct AnyClass {
  template <class U>
  requires(!std::same_as<U, Of> && std::is_class_v<U>) operator U() const;
};
/// A base, or something that structured bindings cannot look through.
template <class Of>
struct AnyOpaque {
  template <class U>
  requires(!std::same_as<U, Of> && (std::is_base_of_v<U, Of> || std::is_union_v<U> || is_unnamed<U>)) operator U()
  const;
};

struct Refer {
  void operator()(auto&...) const;
};

/// For members that take anything, std::any for one: they take even this.
struct Anything {};

/// An aggregate as one of N members.
template <class T, std::size_t N>
struct Fields {
  static constexpr bool fit = false;
};

// The preprocessor applies a macro to each of a list of names.
#define RANKPOOL_PARENS ()
#define RANKPOOL_EXPAND(...) RANKPOOL_EXPAND3(RANKPOOL_EXPAND3(RANKPOOL_EXPAND3(RANKPOOL_EXPAND3(__VA_ARGS__))))
#define RANKPOOL_EXPAND3(...) RANKPOOL_EXPAND2(RANKPOOL_EXPAND2(RANKPOOL_EXPAND2(__VA_ARGS__)))
#define RANKPOOL_EXPAND2(...) RANKPOOL_EXPAND1(RANKPOOL_EXPAND1(RANKPOOL_EXPAND1(__VA_ARGS__)))
#define RANKPOOL_EXPAND1(...) __VA_ARGS__
#define RANKPOOL_EACH(macro, ...) RANKPOOL_EXPAND(RANKPOOL_EACH_HELPER(macro, __VA_ARGS__))
#define RANKPOOL_EACH_HELPER(macro, first, ...) \
  macro(first) __VA_OPT__(, RANKPOOL_EACH_AGAIN RANKPOOL_PARENS(macro, __VA_ARGS__))
#define RANKPOOL_EACH_AGAIN() RANKPOOL_EACH_HELPER
#define RANKPOOL_BRACES(name) \
  {}
#define RANKPOOL_TYPE(name) decltype(name)
#define RANKPOOL_FIELDS(n, ...)                                                                                \
  template <class T>                                                                                           \
  struct Fields<T, n> {                                                                                        \
    static constexpr bool fit = requires { T{RANKPOOL_EACH(RANKPOOL_BRACES, __VA_ARGS__)}; };                  \
    template <class Next>                                                                                      \
    static constexpr bool then = requires { T{RANKPOOL_EACH(RANKPOOL_BRACES, __VA_ARGS__), Next{}}; };         \
    static auto types(T& value) {                                                                              \
      [[maybe_unused]] auto& [__VA_ARGS__] = value;                                                            \
      return Types<RANKPOOL_EACH(RANKPOOL_TYPE, __VA_ARGS__)>{};                                               \
    }                                                                                                          \
    static auto referable(T& value) {                                                                          \
      [[maybe_unused]] auto& [__VA_ARGS__] = value;                                                            \
      return std::bool_constant<requires { Refer{}(__VA_ARGS__); }>{};                                         \
    }                                                                                                          \
    template <class Value, class Use>                                                                          \
    static void visit(Value& value, const Use& use) {                                                          \
      auto& [__VA_ARGS__] = value;                                                                             \
      use(__VA_ARGS__);                                                                                        \
    }                                                                                                          \
  };

template <class T>
struct Fields<T, 0> {
  static constexpr bool fit = requires { T{}; };
  template <class Next>
  static constexpr bool then = requires { T{Next{}}; };
  static auto types(T&) { return Types<>{}; }
  static auto referable(T&) { return std::true_type{}; }
  template <class Value, class Use>
  static void visit(Value&, const Use&) {}
};
// clang-format off
RANKPOOL_FIELDS(1, a)
RANKPOOL_FIELDS(2, a, b)
RANKPOOL_FIELDS(3, a, b, c)
RANKPOOL_FIELDS(4, a, b, c, d)
RANKPOOL_FIELDS(5, a, b, c, d, e)
RANKPOOL_FIELDS(6, a, b, c, d, e, f)
RANKPOOL_FIELDS(7, a, b, c, d, e, f, g)
RANKPOOL_FIELDS(8, a, b, c, d, e, f, g, h)
RANKPOOL_FIELDS(9, a, b, c, d, e, f, g, h, i)
RANKPOOL_FIELDS(10, a, b, c, d, e, f, g, h, i, j)
RANKPOOL_FIELDS(11, a, b, c, d, e, f, g, h, i, j, k)
RANKPOOL_FIELDS(12, a, b, c, d, e, f, g, h, i, j, k, l)
RANKPOOL_FIELDS(13, a, b, c, d, e, f, g, h, i, j, k, l, m)
RANKPOOL_FIELDS(14, a, b, c, d, e, f, g, h, i, j, k, l, m, n)
RANKPOOL_FIELDS(15, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
RANKPOOL_FIELDS(16, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
RANKPOOL_FIELDS(17, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)
RANKPOOL_FIELDS(18, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r)
RANKPOOL_FIELDS(19, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s)
RANKPOOL_FIELDS(20, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
RANKPOOL_FIELDS(21, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)
RANKPOOL_FIELDS(22, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)
RANKPOOL_FIELDS(23, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w)
RANKPOOL_FIELDS(24, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)
RANKPOOL_FIELDS(25, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y)
RANKPOOL_FIELDS(26, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z)
RANKPOOL_FIELDS(27, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A)
RANKPOOL_FIELDS(28, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B)
RANKPOOL_FIELDS(29, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C)
RANKPOOL_FIELDS(30, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D)
RANKPOOL_FIELDS(31, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D, E)
RANKPOOL_FIELDS(32, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C, D, E, F)
// clang-format on
#undef RANKPOOL_FIELDS
#undef RANKPOOL_TYPE
#undef RANKPOOL_BRACES
#undef RANKPOOL_EACH_AGAIN
#undef RANKPOOL_EACH_HELPER
#undef RANKPOOL_EACH
#undef RANKPOOL_EXPAND1
#undef RANKPOOL_EXPAND2
#undef RANKPOOL_EXPAND3
#undef RANKPOOL_EXPAND
#undef RANKPOOL_PARENS

/// An aggregate that cannot be looked into: bases, unions, more than 32 members.
inline constexpr std::size_t kOpaque = static_cast<std::size_t>(-1);
/// One that refers to something.
inline constexpr std::size_t kHasReference = static_cast<std::size_t>(-2);

/// Of one that is made from `{}`. Each member takes `{}`, an array as a whole.
template <class T, std::size_t N = 0>
consteval std::size_t count_fields() {
  if constexpr (Fields<T, N>::template then<AnyOpaque<T>> && !Fields<T, N>::template then<Anything>) {
    return kOpaque;
  } else if constexpr (Fields<T, N + 1>::fit) {
    return count_fields<T, N + 1>();
  } else if constexpr (N == 32 || Fields<T, N>::template then<AnyValue<T>>) {
    return kOpaque;  // more members, or one that does not take `{}`
  } else if constexpr (Fields<T, N>::template then<AnyReference<T>>) {
    return kHasReference;
  } else {
    return N;
  }
}

template <class T, std::size_t>
using AnyReferenceAt = AnyReference<T>;
template <class T, class Try, std::size_t... Before, std::size_t... Behind>
consteval bool takes(std::index_sequence<Before...>, std::index_sequence<Behind...>) {
  return requires { T{AnyReferenceAt<T, Before>{}..., Try{}, AnyReferenceAt<T, Behind>{}...}; };
}
template <class T, std::size_t... Before, std::size_t... Behind>
consteval bool takes_braces(std::index_sequence<Before...>, std::index_sequence<Behind...>) {
  return requires { T{AnyReferenceAt<T, Before>{}..., {}, AnyReferenceAt<T, Behind>{}...}; };
}
template <class T, std::size_t N>
inline constexpr bool takes_references =
    takes<T, AnyReference<T>>(std::make_index_sequence<N - 1>{}, std::index_sequence<>{});

/// Of one that is not: it has references, or members without a default constructor. All its members must be given.
template <class T, std::size_t N = 1>
consteval std::size_t count_given_fields() {
  if constexpr (N > 16) {
    return kOpaque;
  } else if constexpr (!takes_references<T, N> || takes_references<T, N + 1>) {
    return count_given_fields<T, N + 1>();
  } else {
    std::size_t count = N;
    [&]<std::size_t... At>(std::index_sequence<At...>) {
      const auto look = [&]<std::size_t Place>(std::integral_constant<std::size_t, Place>) {
        constexpr std::make_index_sequence<Place> before;
        constexpr std::make_index_sequence<N - Place - 1> behind;
        if constexpr (!takes<T, AnyValue<T>>(before, behind)) {
          count = kHasReference;
        } else if constexpr (!takes_braces<T>(before, behind) && !takes<T, AnyClass<T>>(before, behind)) {
          if (count == N) count = kOpaque;  // an array, of which each element was counted
        } else if constexpr (takes<T, AnyOpaque<T>>(before, behind) && !takes<T, Anything>(before, behind)) {
          if (count == N) count = kOpaque;
        }
      };
      (look(std::integral_constant<std::size_t, At>{}), ...);
    }(std::make_index_sequence<N>{});
    return count;
  }
}

template <class T>
consteval std::size_t field_count() {
  if constexpr (Fields<T, 0>::fit) {
    return count_fields<T>();
  } else {
    return count_given_fields<T>();
  }
}

template <class T>
using FieldTypes = decltype(Fields<T, field_count<T>()>::types(std::declval<T&>()));

/// False for one with bit-fields, to which nothing can refer.
template <class T>
inline constexpr bool fields_can_be_visited =
    decltype(Fields<T, field_count<T>()>::referable(std::declval<T&>()))::value;

/// Calls `use` with all members.
template <class T, class Use>
void visit_fields(T& value, const Use& use) {
  using Plain = std::remove_const_t<T>;
  Fields<Plain, field_count<Plain>()>::visit(value, use);
}

}  // namespace rankpool::inline v0_2::detail
