#include "agent/agent.hpp"
#include "base/forked_copy.hpp"
#include "base/log.hpp"
#include "client/callbacks.hpp"
#include "client/job.hpp"
#include "engine/stop_signals.hpp"
#include "launch/local_rank_info.hpp"
#include "launch/prepare.hpp"
#include "launch/rank_as_worker.hpp"
#include "launch/start.hpp"
#include "launch/task_hooks.hpp"
#include "transport/mpi_transport.hpp"

#include <rankpool/errors.hpp>
#include <rankpool/mp_context.hpp>
#include <rankpool/run.hpp>

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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
CommSessionPtr open_comm(MPI_Comm comm, int root, MpContext context);

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

/// What all ranks know of each other once they are here.
struct Gathered {
  MpContext context = MpContext::forkserver;  ///< the root's
  std::optional<int> unprepared;              ///< one of the ranks that have not called `prepare`
};

/// Waits until all ranks of the communicator are here, and for none for ever. `context`: on the root.
Gathered gather_all(MPI_Comm comm, bool is_root, int rank, MpContext context, bool prepared) {
  // The collective may stay open when this gives up: its buffers then have to stay as well.
  struct Buffers {
    int own[2];
    int all[2];
  };
  auto buffers = std::make_unique<Buffers>();
  auto& [own, all] = *buffers;
  own[0] = all[0] = is_root ? static_cast<int>(context) : 0;
  own[1] = all[1] = prepared ? -1 : rank;
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Iallreduce(own, all, 2, MPI_INT, MPI_MAX, comm, &request) != MPI_SUCCESS) {
    throw Error("CommExecutor: MPI_Iallreduce failed");
  }
  const auto begin = Clock::now();
  const auto limit = patience();
  bool said = false;
  while (true) {
    int done = 0;
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) throw Error("CommExecutor: MPI_Test failed");
    if (done != 0) break;
    const auto waited = Clock::now() - begin;
    if (waited > limit) {
      (void)buffers.release();
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
  return {static_cast<MpContext>(all[0]), all[1] < 0 ? std::nullopt : std::optional(all[1])};
}

/// So long ranks that are told that it is over may take to say that they know.
constexpr std::chrono::seconds kFarewell{10};

/// At the end: all know that it is over. Until then the root keeps its ends of the lifelines, or an agent might find
/// its own closed before it has read that it may go. True if all came.
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

/// What `prepare` has made is this executor's until it is over, and no other is made meanwhile.
class Lease {
 public:
  Lease() {
    if (taken().exchange(true)) throw Error("this process has a CommExecutor already: one at a time");
    held_ = true;
  }
  Lease(Lease&& other) noexcept : held_(std::exchange(other.held_, false)) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (!held_) return;
    if (Prepared* const own = prepared()) own->host->end_all();
    taken().store(false);
  }

 private:
  static std::atomic<bool>& taken() {
    static std::atomic<bool> taken{false};
    return taken;
  }
  bool held_ = false;
};

/// This rank, and what its workers are.
struct Place {
  MPI_Comm comm = MPI_COMM_NULL;
  Rank root{};
  Rank rank{};
  int size = 1;
  bool in_rank = false;
  base::Settings settings;

  [[nodiscard]] bool is_root() const noexcept { return rank == root; }
  [[nodiscard]] engine::LocalRankInfo facts() const {
    const Prepared* const own = prepared();
    engine::LocalRankInfo facts = local_rank_info(in_rank || own == nullptr ? 0 : own->keeper.pid);
    facts.facts.rank = rank;
    if (settings.workers) facts.facts.workers = *settings.workers;
    if (in_rank) facts.facts.workers = 1;
    facts.serves = !in_rank || !is_root() || size == 1;
    return facts;
  }
};

Place place_in(MPI_Comm comm, int root, MpContext context) {
  Place place;
  place.comm = comm;
  place.root = Rank{root};
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &place.size);
  place.rank = Rank{rank};
  if (root < 0 || root >= place.size) {
    throw std::invalid_argument("the root of a CommExecutor is rank " + std::to_string(root) +
                                " of a communicator of " + std::to_string(place.size));
  }
  const bool has_prepared = prepared() != nullptr;
  Gathered all{context, has_prepared ? std::nullopt : std::optional(rank)};
  if (place.size > 1) all = gather_all(comm, place.is_root(), rank, context, has_prepared);
  place.in_rank = all.context == MpContext::in_rank;
  if (all.unprepared && !place.in_rank) {
    throw Error(
        "a CommExecutor needs rankpool::prepare(argc, argv), first thing in main() and before MPI is initialised" +
        (*all.unprepared == rank ? std::string() : ": rank " + std::to_string(*all.unprepared) + " has not called it"));
  }
  if (has_prepared) {
    place.settings = prepared()->settings;
  } else {
    std::vector<std::string> warnings;
    place.settings = start_settings(warnings);
    for (const auto& warning : warnings) base::log_warn(warning);
    base::watch_for_copies();
  }
  return place;
}

/// The agent of this rank is through.
void leave(agent::Ending how, const Place& place, transport::MpiTransport& transport) {
  switch (how) {
    case agent::Ending::dismissed:
      if (part(place.comm)) transport.close();
      return;
    case agent::Ending::dismissed_with_loss:
      return;
    case agent::Ending::rank_0_lost:
      throw Error("the root of the CommExecutor is lost");
    case agent::Ending::keeper_lost:
      throw Error("the keeper process of this rank is gone, and all its workers with it");
  }
}

agent::AgentOptions agent_options(const Place& place) {
  agent::AgentOptions options;
  options.settings = place.settings;
  options.hello = hello_of(place.facts(), place.settings);
  if (place.in_rank) {
    options.hello.workers = 1;
    options.hello.passes_on = false;  // while a task runs it serves nobody
  }
  return options;
}

/// Elsewhere than on the root: serves until the root's executor is over.
void serve(const Place& place) {
  transport::MpiTransport transport(place.comm, place.root);
  agent::Agent agent(transport, *prepared()->host, agent_options(place));
  leave(agent.run(), place, transport);
}

void serve_channel(channel::Channel channel, RankAsWorker& own, worker::HostTurns& turns, worker::Extent extent) {
  const RoleInRank role(own.page(), extent);
  try {
    worker::serve_in_rank(std::move(channel), &own.page(), turns, extent, hooks_in_rank());
  } catch (const worker::HostGone&) {
  }
  own.ended();
}

/// The same with this process as the worker: agent and tasks take turns on this thread.
void serve_in_rank(const Place& place) {
  transport::MpiTransport transport(place.comm, place.root);
  auto link = std::make_unique<RankAsWorker>();
  RankAsWorker& own = *link;
  host::WorkerHost host(std::move(link));
  agent::Agent agent(transport, host, agent_options(place));
  AgentTurns turns(agent, own);
  while (!agent.ending()) {
    agent.turn(agent::Agent::Rest::allowed);
    if (auto channel = own.take_started()) serve_channel(std::move(*channel), own, turns, worker::Extent::process);
  }
  leave(*agent.ending(), place, transport);
}

/// The root's own workers, if there are any: those of its keeper, or itself where no other rank runs tasks.
std::shared_ptr<host::WorkerHost> host_of_root(const Place& place) {
  if (!place.in_rank) return prepared()->host;
  if (place.size > 1) return std::make_shared<host::WorkerHost>(std::make_unique<RankAsWorker>());
  auto itself = std::make_shared<RankAsWorker*>(nullptr);
  auto link = std::make_unique<RankAsWorker>([itself](channel::Channel channel) {
    ThreadTurns turns(**itself);
    serve_channel(std::move(channel), **itself, turns, worker::Extent::thread);
  });
  *itself = link.get();
  return std::make_shared<host::WorkerHost>(std::move(link));
}

/// On the root: the job that all ranks of the communicator make up for a while.
class RootSession final : public detail::CommSession {
 public:
  RootSession(Lease lease, const Place& place) : lease_(std::move(lease)) {
    engine::EngineOptions options;
    options.settings = place.settings;
    options.own = place.facts();
    options.in_rank = place.in_rank;
    options.started_by = base::started_by(base::environment);
    options.host = host_of_root(place);
    if (place.size > 1) {
      options.connect = [this, place] { return &transport_.emplace(place.comm, place.root); };
      options.disconnect = [this, place](bool rank_lost) {
        if (!rank_lost && part(place.comm)) transport_->close();
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

CommSessionPtr open_comm(MPI_Comm comm, int root, MpContext context) {
  using namespace launch;
  if (in_worker()) throw Error("pools cannot be used inside a task");
  if (client::Job::current()) {
    throw Error("a CommExecutor cannot be made inside of rankpool::run(), nor while this process has another");
  }
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  if (initialized == 0 || finalized != 0) throw Error("a CommExecutor needs MPI to be initialised");
  if (comm == MPI_COMM_NULL) throw std::invalid_argument("a CommExecutor was given no communicator");
  Lease lease;
  const Place place = place_in(comm, root, context);
  if (place.is_root()) return CommSessionPtr(new RootSession(std::move(lease), place));
  place.in_rank ? serve_in_rank(place) : serve(place);
  return nullptr;
}

}  // namespace rankpool::inline v0_2::detail
