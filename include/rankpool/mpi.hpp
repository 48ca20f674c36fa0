#pragma once

#include <rankpool/detail/group_task.hpp>
#include <rankpool/rankpool.hpp>

#include <boost/mpi/communicator.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

/// rankpool together with MPI. CMake: `rankpool::mpi`, which brings Boost.MPI.
///
/// Tasks of several ranks: `executor.submit({.ranks = 4}, f, args...)` and `executor.map({.ranks = 4}, f, xs)` with
/// `f(const boost::mpi::communicator&, args...)` run `f` in four fresh worker processes whose MPI_COMM_WORLD are these
/// four. MPI is initialised there, with MPI_THREAD_MULTIPLE; what rank 0 returns is the result.
namespace rankpool::inline v0_2::detail {

template <class F>
class GroupCall {
 public:
  GroupCall() = default;
  explicit GroupCall(F f) : f_(std::move(f)) {}

  template <class... Args>
  requires std::is_invocable_v<const F&, const boost::mpi::communicator&, Args...>
  decltype(auto) operator()(Args&&... args) const {
    const boost::mpi::communicator world(MPI_COMM_WORLD, boost::mpi::comm_attach);
    return std::invoke(f_, world, std::forward<Args>(args)...);
  }
  [[nodiscard]] std::string name_of_task() const { return task_name(f_); }

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    Bytes bytes;
    encode(bytes, f_);
    archive << static_cast<std::uint64_t>(bytes.size());
    archive.save_binary(bytes.data(), bytes.size());
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    std::uint64_t size = 0;
    archive >> size;
    if (size > archive.left()) throw SerializationError("an encoded task ends too early");
    Bytes bytes(static_cast<std::size_t>(size));
    archive.load_binary(bytes.data(), bytes.size());
    f_ = decode<F>(bytes);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()

  F f_{};
};

/// What stands behind the communicator.
template <class Parameters>
struct Behind;
template <class First, class... Rest>
struct Behind<std::tuple<First, Rest...>> : SignatureOf<void, Rest...> {};

template <class F>
requires(Signature<F>::known) struct Signature<GroupCall<F>> : Behind<typename Signature<F>::Parameters> {
};

}  // namespace rankpool::inline v0_2::detail
