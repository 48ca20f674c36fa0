#pragma once

#include <rankpool/callable.hpp>

#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace boost::mpi {
class communicator;
}  // namespace boost::mpi

namespace rankpool::inline v0_2::detail {

/// The function of a task of several ranks, with the communicator put in. Made by <rankpool/mpi.hpp>.
template <class F>
class GroupCall;
template <class F>
struct HeldBy<GroupCall<F>> {
  using type = Types<F>;
};

template <class Parameters>
inline constexpr bool begins_with_communicator = false;
template <class First, class... Rest>
inline constexpr bool begins_with_communicator<std::tuple<First, Rest...>> =
    std::is_same_v<std::remove_cvref_t<First>, boost::mpi::communicator>;

/// Whether F takes a communicator before arguments of the types given.
template <class F, class... Given>
constexpr bool takes_communicator() {
  if constexpr (Signature<F>::known) {
    return begins_with_communicator<typename Signature<F>::Parameters>;
  } else {
    return !std::is_invocable_v<const F&, const StoredType<Given>&...> &&
           std::is_invocable_v<const F&, const boost::mpi::communicator&, const StoredType<Given>&...>;
  }
}

inline void check_ranks(int ranks) {
  if (ranks < 1) throw std::invalid_argument("ranks must be greater than 0");
}

/// `f` as it is run in a worker, and as many processes as are wanted for it in `ranks`: 0 if it is no task of several.
template <class... Given, class F>
auto group_or_plain(F&& f, int& ranks) {
  using Callable = std::decay_t<F>;
  check_ranks(ranks);
  if constexpr (takes_communicator<Callable, Given...>()) {
    static_assert(
        requires { sizeof(GroupCall<Callable>); },
        "rankpool: a task that takes a boost::mpi::communicator needs #include <rankpool/mpi.hpp>");
    return GroupCall<Callable>(std::forward<F>(f));
  } else {
    if (ranks > 1) {
      throw std::invalid_argument("a task of " + std::to_string(ranks) +
                                  " ranks is a function that takes a const boost::mpi::communicator& first");
    }
    ranks = 0;
    return Callable(std::forward<F>(f));
  }
}

/// The same for arguments that come in a tuple.
template <class Tuple, class F>
auto group_or_plain_star(F&& f, int& ranks) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return group_or_plain<std::tuple_element_t<I, Tuple>...>(std::forward<F>(f), ranks);
  }
  (std::make_index_sequence<std::tuple_size_v<Tuple>>{});
}

}  // namespace rankpool::inline v0_2::detail
