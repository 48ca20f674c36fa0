#include "agent/agent.hpp"
#include "base/log.hpp"
#include "client/callbacks.hpp"
#include "client/job.hpp"
#include "engine/stop_signals.hpp"
#include "launch/own_facts.hpp"
#include "launch/prepare.hpp"
#include "transport/mpi_transport.hpp"

#include <rankpool/errors.hpp>

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// What stands behind a CommExecutor on its root.
class CommSession {
 public:
  virtual ~CommSession() = default;
};
// As rankpool/mpi.hpp declares them, which would bring Boost.MPI.
void close_comm(CommSession* session) noexcept;
struct CloseComm {
  void operator()(CommSession* session) const noexcept { close_comm(session); }
};
using CommSessionPtr = std::unique_ptr<CommSession, CloseComm>;
CommSessionPtr open_comm(MPI_Comm comm, int root);

}  // namespace rankpool::inline v0_2::detail

namespace rankpool::launch {
namespace {

using Clock = std::chrono::steady_clock;

/// Ranks may have work of their own to finish first. After so long it is said that some are missing,
constexpr std::chrono::seconds kSayAfter{10};
/// and after so long, unless RANKPOOL_ARRIVE_WITHIN says otherwise, they are given up.
constexpr std::chrono::seconds kGiveUpAfter{600};
/// Others that have arrived with us are soon there.
constexpr std::chrono::milliseconds kSpin{1};

std::chrono::seconds patience() {
  const auto text = base::environment("RANKPOOL_ARRIVE_WITHIN");
  const long seconds = text ? std::strtol(text->c_str(), nullptr, 10) : 0;
  return seconds > 0 ? std::chrono::seconds(seconds) : kGiveUpAfter;
}

/// Waits until all ranks of the communicator are here, and for none for ever.
void await_all(MPI_Comm comm) {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(comm, &request) != MPI_SUCCESS) throw Error("CommExecutor: MPI_Ibarrier failed");
  const auto begin = Clock::now();
  const auto limit = patience();
  bool said = false;
  while (true) {
    int done = 0;
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) throw Error("CommExecutor: MPI_Test failed");
    if (done != 0) return;
    const auto waited = Clock::now() - begin;
    if (waited > limit) {
      throw Error("CommExecutor: not all ranks of the communicator have made one within " +
                  std::to_string(limit.count()) + " s");
    }
    if (waited > kSayAfter && !std::exchange(said, true)) {
      base::log_warn("CommExecutor has waited for " + std::to_string(kSayAfter.count()) +
                     " s: all ranks of the communicator have to make theirs");
    }
    if (waited < kSpin) {
      ::sched_yield();
    } else {
      ::poll(nullptr, 0, 1);
    }
  }
}

/// So long ranks that are told that it is over may take to say that they know.
constexpr std::chrono::seconds kFarewell{10};

/// At the end: all know that it is over. Until then the root keeps its ends of the lifelines, or an agent might find its
/// own closed before it has read that it may go. True if all came.
bool part(MPI_Comm comm) {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(comm, &request) != MPI_SUCCESS) return false;
  const auto limit = Clock::now() + kFarewell;
  int done = 0;
  while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done == 0 && Clock::now() < limit) {
    ::poll(nullptr, 0, 0);
    ::sched_yield();
  }
  return done != 0;
}

/// The keeper and its workers are this executor's until it is over.
class Lease {
 public:
  explicit Lease(Prepared& from) : from_(&from) {
    if (from.in_use.exchange(true)) throw Error("this process has a CommExecutor already: one at a time");
  }
  Lease(Lease&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (from_ == nullptr) return;
    from_->host->end_all();
    from_->in_use.store(false);
  }
  [[nodiscard]] Prepared& operator*() const noexcept { return *from_; }
  Prepared* operator->() const noexcept { return from_; }

 private:
  Prepared* from_;
};

engine::OwnFacts facts_of(const Prepared& own, int rank) {
  engine::OwnFacts facts = own_facts(own.keeper.pid);
  facts.facts.rank = Rank{rank};
  if (own.settings.workers) facts.facts.workers = *own.settings.workers;
  return facts;
}

/// Elsewhere than on the root: serves until the root's executor is over.
void serve(Lease& lease, MPI_Comm comm, int root) {
  transport::MpiTransport transport(comm, Rank{root});
  agent::AgentOptions options;
  options.settings = lease->settings;
  options.hello = hello_of(facts_of(*lease, raw(transport.rank())), lease->settings);
  agent::Agent agent(transport, *lease->host, std::move(options));
  switch (agent.run()) {
    case agent::Ending::dismissed:
      if (part(comm)) transport.close();
      return;
    case agent::Ending::dismissed_with_loss:
      return;
    case agent::Ending::rank_0_lost:
      throw Error("the root of the CommExecutor is lost");
    case agent::Ending::keeper_lost:
      throw Error("the keeper process of this rank is gone, and all its workers with it");
  }
}

/// On the root: the job that all ranks of the communicator make up for a while.
class RootSession final : public detail::CommSession {
 public:
  RootSession(Lease lease, MPI_Comm comm, int root, int size) : lease_(std::move(lease)) {
    engine::EngineOptions options;
    options.settings = lease_->settings;
    options.own = facts_of(*lease_, root);
    options.started_by = base::started_by(base::environment);
    options.host = lease_->host;
    if (size > 1) {
      options.connect = [this, comm, root] { return &transport_.emplace(comm, Rank{root}); };
      options.disconnect = [this, comm](bool rank_lost) {
        if (!rank_lost && part(comm)) transport_->close();
      };
    }
    job_ = std::make_shared<client::Job>(std::move(options));
    try {
      job_->engine().wait_assembled();
    } catch (const std::exception& e) {
      job_->engine().end();
      throw Error(std::string("CommExecutor: ") + e.what());
    }
    client::Job::set_current(job_);
    engine::stop_signals::attach(job_->engine(), false);
  }
  RootSession(const RootSession&) = delete;
  RootSession& operator=(const RootSession&) = delete;
  ~RootSession() override {
    try {
      job_->close_all_pools();
      client::stop_callbacks();
      engine::stop_signals::detach();
      job_->engine().end();
    } catch (const std::exception& e) {
      base::log_error(std::string("a CommExecutor could not be ended in order: ") + e.what());
    }
    client::Job::set_current(nullptr);
  }

 private:
  Lease lease_;
  std::optional<transport::MpiTransport> transport_;  ///< made and used by the engine's thread
  std::shared_ptr<client::Job> job_;
};

}  // namespace
}  // namespace rankpool::launch

namespace rankpool::inline v0_2::detail {

void close_comm(CommSession* session) noexcept { delete session; }

CommSessionPtr open_comm(MPI_Comm comm, int root) {
  using namespace launch;
  if (in_worker()) throw Error("pools cannot be used inside a task");
  Prepared* const own = prepared();
  if (own == nullptr) {
    throw Error(
        "a CommExecutor needs rankpool::prepare(argc, argv), first thing in main() and before MPI is initialised");
  }
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  if (initialized == 0 || finalized != 0) throw Error("a CommExecutor needs MPI to be initialised");
  if (comm == MPI_COMM_NULL) throw std::invalid_argument("a CommExecutor was given no communicator");
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  if (root < 0 || root >= size) {
    throw std::invalid_argument("the root of a CommExecutor is rank " + std::to_string(root) +
                                " of a communicator of " + std::to_string(size));
  }
  Lease lease(*own);
  if (size > 1) await_all(comm);
  if (rank == root) return CommSessionPtr(new RootSession(std::move(lease), comm, root, size));
  serve(lease, comm, root);
  return nullptr;
}

}  // namespace rankpool::inline v0_2::detail
