#pragma once

#include <rankpool/detail/group_task.hpp>
#include <rankpool/rankpool.hpp>

#include <boost/mpi/communicator.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

/// rankpool together with MPI, in two ways. CMake: `rankpool::mpi`, which brings Boost.MPI.
///
/// Tasks of several ranks: `executor.submit({.ranks = 4}, f, args...)` and `executor.map({.ranks = 4}, f, xs)` with
/// `f(const boost::mpi::communicator&, args...)` run `f` in four fresh worker processes whose MPI_COMM_WORLD are these
/// four. MPI is initialised there, with MPI_THREAD_MULTIPLE; what rank 0 returns is the result.
///
/// Pools in a program that uses MPI itself: `prepare` first thing in `main()`, and a `CommExecutor` wherever its ranks
/// are to be a pool for a while.
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

namespace rankpool::inline v0_2 {

/// In place of `run`, for a program that uses MPI itself: the first thing in `main()`, before MPI is initialised, a
/// thread is started or output is buffered. Every process of the program calls it; it returns at once.
/// @throws Error if it is called twice, after `run`, in a task, or after MPI was initialised
void prepare(int argc, char** argv);

namespace detail {
class CommSession;
void close_comm(CommSession* session) noexcept;
struct CloseComm {
  void operator()(CommSession* session) const noexcept { close_comm(session); }
};
using CommSessionPtr = std::unique_ptr<CommSession, CloseComm>;
/// Collective. On the root the session; elsewhere it serves, and returns null when the root's is over. `context`: of
/// the root's executor.
CommSessionPtr open_comm(MPI_Comm comm, int root, MpContext context);
}  // namespace detail

struct CommOptions {
  /// The rank of the communicator whose tasks the others' workers run too. The same on all ranks.
  int root = 0;
  /// What the executor is made with; only the root's counts. With `mp_context = MpContext::in_rank` the ranks run the
  /// tasks themselves.
  ExecutorOptions executor = {};
};

/// The ranks of a communicator as a pool of worker processes, for as long as it lives on the root.
/// Python: `mpi4py.futures.MPICommExecutor`.
///
///     if (rankpool::CommExecutor executor(world); executor) {
///       for (double r : executor->map(refine, cells)) ...
///     }
///
/// Collective: all ranks of the communicator construct it. On the root it is true, and holds a ProcessPoolExecutor.
/// Elsewhere the constructor serves the root's tasks, returns when the root's destructor has shut the executor down,
/// and it is false. The communicator is duplicated, so that the program's own messages on it stay its own. Meanwhile
/// the root may use MPI itself only with MPI_THREAD_MULTIPLE.
///
/// With MpContext::in_rank each rank but the root runs tasks in its own MPI process, one at a time, on the thread that
/// constructed it: they may use MPI, a GPU context, memory of that rank. `prepare` is not needed. The root is the
/// executor and runs none, unless it is the only rank: then it does, one at a time, on a thread of its own, where MPI
/// needs MPI_THREAD_SERIALIZED. What runs cannot be ended: terminating waits for it. A task that crashes takes its rank
/// along.
class CommExecutor {
 public:
  /// @throws Error without `prepare` (but for in_rank), if MPI is not initialised, if this process has a CommExecutor,
  /// if a rank does not come for RANKPOOL_ARRIVE_WITHIN (600 s), or elsewhere than on the root if that is lost;
  /// std::invalid_argument
  explicit CommExecutor(MPI_Comm comm, const CommOptions& options = {})
      : session_(detail::open_comm(comm, options.root, options.executor.mp_context)) {
    if (session_) executor_.emplace(options.executor);
  }
  explicit CommExecutor(const boost::mpi::communicator& comm, const CommOptions& options = {})
      : CommExecutor(static_cast<MPI_Comm>(comm), options) {}
  CommExecutor(const CommExecutor&) = delete;
  CommExecutor& operator=(const CommExecutor&) = delete;
  /// On the root `shutdown()`: it finishes what was submitted. Then the other ranks go on.
  ~CommExecutor() = default;

  /// True on the root.
  explicit operator bool() const noexcept { return executor_.has_value(); }
  /// Only on the root.
  [[nodiscard]] ProcessPoolExecutor& operator*() noexcept { return *executor_; }
  ProcessPoolExecutor* operator->() noexcept { return &*executor_; }

 private:
  detail::CommSessionPtr session_;
  std::optional<ProcessPoolExecutor> executor_;  ///< on the root; gone before the session
};

}  // namespace rankpool::inline v0_2
