#include "launch/launched.hpp"

#include "agent/agent.hpp"
#include "base/forked_copy.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/own_descriptor.hpp"
#include "keeper/keeper.hpp"
#include "launch/job_variables.hpp"
#include "launch/local_rank_info.hpp"
#include "launch/pmix.hpp"
#include "launch/rank_segments.hpp"
#include "launch/rank_zero.hpp"
#include "launch/report.hpp"
#include "launch/task_hooks.hpp"
#include "liveness/lifeline.hpp"
#include "transport/mpi_session.hpp"
#include "transport/mpi_transport.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <initializer_list>
#include <stdexcept>
#include <system_error>

namespace rankpool::launch {
namespace {

/// What a descriptor is that the rank asks its keeper to hold.
enum class Held : std::int32_t { pmix = 0, lifeline = 1 };

/// Seconds that the launcher's daemon may take to let a rank go that has lost rank 0.
constexpr unsigned kLastWords = 1;

int number_in(std::initializer_list<const char*> variables) {
  for (const char* const name : variables) {
    if (const char* const text = std::getenv(name)) return std::atoi(text);
  }
  return 0;
}
int rank_number() { return number_in({"OMPI_COMM_WORLD_RANK", "PMIX_RANK"}); }
int local_rank_number() { return number_in({"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"}); }

/// So much longer than rank 0 an agent lives that has lost it: a launcher takes the job's status from whoever ends
/// badly first, and that is to be rank 0.
constexpr int kOutliveRankZeroMs = 500;

/// Waits until rank 0 has closed its end of the line: the job is over.
void await_end_of_job(int lifeline) {
  while (true) {
    pollfd wait{lifeline, POLLIN | POLLRDHUP, 0};
    if (::poll(&wait, 1, -1) < 0 && errno != EINTR) return;
    char rest[256];
    const ssize_t got = ::recv(lifeline, rest, sizeof rest, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
  }
}

/// Ends this process as that one ended.
[[noreturn]] void end_like(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    ::prctl(PR_SET_DUMPABLE, 0);  // the rank has left its core already
    ::signal(signal, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal);
    ::sigprocmask(SIG_UNBLOCK, &only, nullptr);
    ::raise(signal);
    ::_exit(128 + signal);
  }
  ::_exit(WEXITSTATUS(wait_status));
}

/// The keeper's part: outlives its rank, and if that died, hides it from the launcher until the job is over.
[[noreturn]] void keep(keeper::KeeperPair pair, pid_t rank, int number, const base::Stock& stock) {
  // A space in the name would hide it, and all below it, from Slurm's proctrack/linuxproc: no signal would reach them.
  ::prctl(PR_SET_NAME, "rankpool-keeper");
  pair.keep_keeper();
  int lifeline = -1;
  std::vector<RankSegment> segments;
  keeper::KeeperDuties duties;
  duties.stock = stock;
  if (number == 0) duties.signal_line = report_start();
  duties.take_signal = take_reported_signal;
  duties.rank = rank;
  if (base::started_by(base::environment).mpirun) {
    duties.launcher = base::to_high_number(static_cast<int>(::syscall(SYS_pidfd_open, ::getppid(), 0)));
  }
  duties.worker_main = serve_tasks;
  duties.hold = [&](int fd, std::int32_t what) {
    if (what == static_cast<std::int32_t>(Held::lifeline)) lifeline = fd;
    if (what == static_cast<std::int32_t>(Held::pmix)) segments = segments_of_rank(rank, local_rank_number());
  };
  duties.rank_ended = [&](int status) {
    if (WIFSIGNALED(status) && lifeline >= 0) liveness::send_exit_notice(lifeline, status);
  };
  const int status = pair.keeper->run(std::move(duties));
  remove_segments(segments);
  // rankpool-run has the status, and an mpirun that is told of one other than 0 complains.
  const bool told = number == 0 && report_exit(status);
  if (told && WIFEXITED(status) && base::started_by(base::environment).mpirun) ::_exit(0);
  // A rank that exits by itself has left the job in order: MPI_Finalize or PMIx_Finalize came first.
  if (!WIFSIGNALED(status) || number == 0 || lifeline < 0) end_like(status);
  // From now on the launcher is not to notice: it would end all the others.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
  await_end_of_job(lifeline);
  finalize_for_dead_rank();
  ::_exit(0);
}

/// After MPI_Init: the keeper is to hold what the launcher knows us by.
void share_pmix(keeper::KeeperConnection& keeper) {
  for (const int fd : stream_sockets()) {
    keeper.send({keeper::KeeperMessage::Kind::hold, 0, static_cast<std::int32_t>(Held::pmix), 0}, fd);
  }
}

/// The MPI of a job that was launched: the session, and the transport over all its ranks, which serve rank 0.
struct MpiOfJob {
  transport::MpiSession session;
  transport::MpiTransport transport{session.world(), Rank{0}};

  void leave(bool rank_lost) {
    if (rank_lost) return leave_by_pmix();
    transport.close();
    session.finalize();
  }
};

int end_as_agent(agent::Ending ending, MpiOfJob& mpi) {
  switch (ending) {
    case agent::Ending::dismissed:
      mpi.leave(false);
      return 0;
    case agent::Ending::dismissed_with_loss:
      mpi.leave(true);
      ::_exit(0);
    case agent::Ending::rank_0_lost:
      ::poll(nullptr, 0, kOutliveRankZeroMs);
      // It may live, behind a cable that was cut: a launcher that hears of us again must not end the job for us.
      ::signal(SIGALRM, SIG_DFL);
      ::alarm(kLastWords);
      mpi.leave(true);
      ::_exit(0);
    case agent::Ending::keeper_lost:
      break;
  }
  // The launcher knows already: the keeper was its child.
  ::_exit(1);
}

/// A rank that can do no more: rank 0 is told why, the launcher nothing.
[[noreturn]] void fail_as_agent(transport::MpiTransport& transport, const std::exception& why) noexcept {
  std::string text;
  try {
    text = "it failed by itself: " + base::explain(why);
  } catch (...) {  // no memory for the text
  }
  if (!agent::say_farewell(transport, text)) {
    base::log_error(text);
    ::raise(SIGKILL);  // as if it had been killed: the keeper tells it, and hides it from the launcher
  }
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(kLastWords);
  leave_by_pmix();
  ::_exit(0);
}

/// Serves as an agent until the job is over, and leaves it.
int serve(MpiOfJob& mpi, std::unique_ptr<keeper::KeeperConnection> link, const base::Settings& settings) {
  keeper::KeeperConnection& keeper = *link;
  const engine::LocalRankInfo own = local_rank_info(::getppid());
  base::set_log_origin("rank " + std::to_string(raw(mpi.transport.rank())) + " on " + own.facts.host);
  agent::AgentOptions options;
  options.settings = settings;
  options.hello = hello_of(own, settings);
  options.share_lifeline = [&](int fd) {
    keeper.send({keeper::KeeperMessage::Kind::hold, 0, static_cast<std::int32_t>(Held::lifeline), 0}, fd);
  };
  auto host = std::make_unique<host::WorkerHost>(std::move(link));
  agent::Agent agent(mpi.transport, *host, std::move(options));
  const agent::Ending ending = agent.run();
  if (ending == agent::Ending::rank_0_lost) host.reset();  // ends the workers
  return end_as_agent(ending, mpi);
}

int serve_as_agent(std::unique_ptr<keeper::KeeperConnection> link, const base::Settings& settings,
                   const base::Stock& stock) {
  // What is meant for the program is rank 0's business; agents end when rank 0 says so, or is gone.
  base::give_signals(stock, base::Heir::agent);
  MpiOfJob mpi;
  share_pmix(*link);
  try {
    return serve(mpi, std::move(link), settings);
  } catch (const std::exception& e) {
    fail_as_agent(mpi.transport, e);
  }
}

int serve_as_launched_rank_zero(std::unique_ptr<keeper::KeeperConnection> link, const base::Settings& settings,
                                const std::function<int(int, char**)>& main, int argc, char** argv) {
  keeper::KeeperConnection* const keeper = link.get();
  engine::EngineOptions options;
  options.settings = settings;
  options.own = local_rank_info(::getppid());
  if (settings.workers) options.own.facts.workers = *settings.workers;
  options.started_by = base::started_by(base::environment);
  options.terminal_lines = &link->page().terminal_lines;
  options.host = std::make_unique<host::WorkerHost>(std::move(link));
  auto mpi = std::make_shared<std::optional<MpiOfJob>>();
  options.connect = [keeper, mpi]() -> transport::Transport* {
    mpi->emplace();
    share_pmix(*keeper);
    return &(*mpi)->transport;
  };
  options.disconnect = [mpi](bool rank_lost) { (*mpi)->leave(rank_lost); };
  if (const std::string trouble = pmix_trouble(); !trouble.empty()) {
    base::log_warn("the death of a rank will end this job: " + trouble);
  }
  return serve_as_rank_zero(std::move(options), main, argc, argv);
}

}  // namespace

bool is_launched() { return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr || std::getenv("PMIX_RANK") != nullptr; }

int run_launched(int argc, char** argv, const base::Settings& settings, const std::vector<std::string>& warnings,
                 const base::Stock& stock, const std::function<int(int, char**)>& main) {
  const int number = rank_number();
  const pid_t keeper = ::getpid();
  keeper::KeeperPair pair;
  pid_t rank = -1;
  try {
    take_report_variable();
    pair = keeper::make_keeper_pair();
    rank = ::fork();
    if (rank < 0) throw std::system_error(errno, std::generic_category(), "a process for the rank");
  } catch (const std::exception& e) {
    return cannot_start(e);
  }
  if (rank != 0) keep(std::move(pair), rank, number, stock);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != keeper) ::_exit(1);
  ::setpgid(0, 0);  // signals come from the keeper, once
  pair.keep_link();
  if (number != 0) {
    pair.link->keep_page_to_itself();
    try {
      return serve_as_agent(std::move(pair.link), settings, stock);
    } catch (const std::exception& e) {  // of MPI's start
      return cannot_start(e);
    }
  }
  base::watch_for_copies();
  for (const auto& warning : warnings) base::log_warn(warning);
  return serve_as_launched_rank_zero(std::move(pair.link), settings, main, argc, argv);
}

void serve_tasks(channel::Channel channel, channel::RankPage* page, int wake) {
  forget_variables_of_rank();
  become_worker(*page);
  worker::worker_main(std::move(channel), page, wake, task_hooks());
}

}  // namespace rankpool::launch
