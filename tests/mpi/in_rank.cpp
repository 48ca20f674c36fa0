// MpContext::in_rank: the ranks of a communicator run tasks themselves. What is in a case is done by all ranks. No
// process calls prepare().
#include <rankpool/mpi.hpp>

#include "checks.hpp"

#include <boost/mpi/collectives.hpp>
#include <boost/mpi/environment.hpp>

#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using boost::mpi::communicator;
using rankpool::CommExecutor;
using rankpool::CommOptions;
using rankpool::MpContext;

/// Which error `call` throws: its text.
template <class E, class Call>
std::string thrown(Call&& call) {
  try {
    call();
  } catch (const E& e) {
    return e.what();
  }
  return "";
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

CommOptions in_rank(int root = 0) {
  CommOptions options;
  options.root = root;
  options.executor.mp_context = MpContext::in_rank;
  return options;
}

/// Memory of each rank, and what tasks find there.
int g_of_rank = -1;
std::thread::id g_main = std::this_thread::get_id();

int of_rank() { return g_of_rank; }
int world_rank(int) {
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}
/// MPI at work in a task: with itself, since the others are at tasks of their own.
int send_to_itself(int value) {
  const communicator self(MPI_COMM_SELF, boost::mpi::comm_attach);
  int received = 0;
  const auto request = self.isend(0, 3, value);
  self.recv(0, 3, received);
  return received;
}

void map_on(const communicator& comm, int root) {
  if (CommExecutor executor(comm, in_rank(root)); executor) {
    EXPECT(comm.rank() == root);
    check_map(*executor, 500);
  } else {
    EXPECT(comm.rank() != root);
    EXPECT(!rankpool::in_worker());
  }
}

void tasks_run_in_the_mpi_process_of_each_rank_but_the_root(const communicator& comm) {
  g_of_rank = comm.rank();
  if (CommExecutor executor(comm, in_rank()); executor) {
    EXPECT(executor->num_workers() == comm.size() - 1);
    std::set<int> ranks;
    for (int round = 0; round < 500 && std::cmp_less(ranks.size(), comm.size() - 1); ++round) {
      std::vector<int> xs(static_cast<std::size_t>(2 * comm.size()));
      for (const int rank : executor->map({.chunksize = 1}, world_rank, xs)) ranks.insert(rank);
    }
    EXPECT(std::cmp_equal(ranks.size(), comm.size() - 1));
    EXPECT(!ranks.contains(0));
    EXPECT(executor->submit([] { return of_rank() == rankpool::this_worker().rank; }).result());
    EXPECT(executor->submit([] { return std::this_thread::get_id() == g_main; }).result());
    EXPECT(
        executor->submit([] { return rankpool::in_worker() && rankpool::this_worker().pid == ::getpid(); }).result());
    EXPECT(executor->submit(send_to_itself, 17).result() == 17);
    EXPECT(!rankpool::in_worker());
  }
  comm.barrier();
}

void each_root_in_turn(const communicator& comm) {
  for (int root = 0; root < comm.size(); ++root) map_on(comm, root);
}

void disjoint(const communicator& comm) {
  const communicator part = comm.split(comm.rank() % 2);
  map_on(part, part.size() - 1);
  map_on(comm, 0);
}

/// The root is the only rank: it runs tasks on a thread of its own.
void alone(const communicator& comm) {
  if (comm.rank() == 0) {
    g_of_rank = 7;
    CommExecutor executor(MPI_COMM_SELF, in_rank());
    EXPECT(executor->num_workers() == 1);
    check_map(*executor, 500);
    EXPECT(executor->submit(of_rank).result() == 7);
    EXPECT(executor->submit([] { return ::getpid(); }).result() == ::getpid());
    EXPECT(executor->submit([] { return rankpool::in_worker(); }).result());
    EXPECT(!rankpool::in_worker());
    EXPECT(has(thrown<std::domain_error>(
                   [&] { executor->submit([]() -> int { throw std::domain_error("in a task"); }).result(); }),
               "in a task"));
    rankpool::Value<long> total(0);
    executor->submit([](rankpool::Value<long> sum) { sum.fetch_add(5); }, total).result();
    EXPECT(total.get() == 5);
    const auto table = rankpool::broadcast(std::vector<long>{1, 2, 3});
    EXPECT(executor->submit([](rankpool::Broadcast<std::vector<long>> from) { return from->size(); }, table).result() ==
           3);
  }
  comm.barrier();
}

void exceptions_come_home(const communicator& comm) {
  if (CommExecutor executor(comm, in_rank()); executor) {
    auto failed = executor->submit([](int) -> int { throw std::domain_error("in a task"); }, 1);
    EXPECT(has(thrown<std::domain_error>([&] { failed.result(); }), "in a task"));
    EXPECT(has(rankpool::remote_traceback(failed.exception()), "rank "));
    check_map(*executor, 10);
  }
  try {
    if (CommExecutor executor(comm, in_rank()); executor) throw std::out_of_range("the root's own");
  } catch (const std::out_of_range&) {
    EXPECT(comm.rank() == 0);
  }
  map_on(comm, 0);
}

void large_values(const communicator& comm) {
  if (CommExecutor executor(comm, in_rank()); executor) {
    const std::vector<double> large(std::size_t{1} << 21U, 2.5);  // many times what a ring holds
    std::vector<rankpool::Future<std::vector<double>>> futures;
    for (int i = 0; i < 4; ++i) futures.push_back(executor->submit([](std::vector<double> x) { return x; }, large));
    for (auto& future : futures) EXPECT(future.result() == large);
  }
  comm.barrier();
}

void shared_objects(const communicator& comm) {
  // Another root's objects have the same numbers.
  for (int root = 0; root < comm.size(); ++root) {
    if (CommExecutor executor(comm, in_rank(root)); executor) {
      rankpool::Value<long> total(0);
      const auto table = rankpool::broadcast(std::vector<long>(1000, root + 1));
      const auto add = [](rankpool::Value<long> sum, rankpool::Broadcast<std::vector<long>> from, long x) {
        rankpool::Lock of_sum = sum.get_lock();
        const std::scoped_lock lock(of_sum);
        sum.set(sum.get() + x * from->at(7));
      };
      std::vector<rankpool::Future<void>> futures;
      for (long x = 1; x <= 10; ++x) futures.push_back(executor->submit(add, total, table, x));
      for (auto& future : futures) future.result();
      EXPECT(total.get() == 55 * (root + 1));
      const auto in_thread = [](rankpool::Value<long> sum) {
        bool refused = false;
        std::thread([&] {
          try {
            (void)sum.get();
          } catch (const rankpool::Error&) {
            refused = true;
          }
        }).join();
        return refused;
      };
      EXPECT(executor->submit(in_thread, total).result());
    }
  }
  comm.barrier();
}

void initialized_and_cancelled(const communicator& comm) {
  CommOptions options = in_rank();
  options.executor.initializer = [] { g_of_rank = 99; };
  if (CommExecutor executor(comm, options); executor) {
    EXPECT(executor->submit(of_rank).result() == 99);
    std::vector<rankpool::Future<void>> futures;
    for (int i = 0; i < 40; ++i) futures.push_back(executor->submit([] { ::usleep(20'000); }));
    EXPECT(futures.back().cancel());
    executor->shutdown({.cancel_futures = true});
    EXPECT(futures.back().cancelled());
  }
  comm.barrier();
  options.executor.initializer = [] { throw std::runtime_error("no licence"); };
  if (CommExecutor executor(comm, options); executor) {
    EXPECT(has(thrown<rankpool::BrokenProcessPool>([&] { executor->submit(of_rank).result(); }), "no licence"));
  }
  map_on(comm, 0);
}

/// What runs cannot be ended: it finishes, and the rank goes on.
void terminated(const communicator& comm) {
  if (CommExecutor executor(comm, in_rank()); executor) {
    auto future = executor->submit([] { ::usleep(300'000); });
    while (!future.running()) ::usleep(1000);
    executor->terminate_workers();
    EXPECT(!thrown<rankpool::BrokenProcessPool>([&] { future.result(); }).empty());
  }
  // In a task that waits for a shared object they notice.
  if (CommExecutor executor(comm, in_rank()); executor) {
    rankpool::Lock lock;
    lock.lock();
    auto future = executor->submit([](rankpool::Lock of_root) { of_root.lock(); }, lock);
    while (!future.running()) ::usleep(1000);
    executor->kill_workers();
    EXPECT(!thrown<rankpool::BrokenProcessPool>([&] { future.result(); }).empty());
  }
  map_on(comm, 0);
}

void what_it_cannot_do_is_refused(const communicator& comm) {
  using Options = rankpool::ExecutorOptions;
  const std::vector<std::pair<void (*)(Options&), const char*>> cases{
      {[](Options& options) { options.task_timeout = std::chrono::seconds(1); }, "task_timeout"},
      {[](Options& options) { options.max_tasks_per_child = 3; }, "max_tasks_per_child"},
      {[](Options& options) { options.threads_per_worker = 2; }, "threads_per_worker"},
      {[](Options& options) { options.max_workers = 1000; }, "1000"}};
  for (const auto& [change, text] : cases) {
    CommOptions options = in_rank();
    change(options.executor);
    const auto what = thrown<std::invalid_argument>([&] { const CommExecutor executor(comm, options); });
    EXPECT(comm.rank() == 0 ? has(what, text) : what.empty());
  }
  if (CommExecutor executor(comm, in_rank()); executor) {
    EXPECT(has(thrown<rankpool::Error>([] { const rankpool::ProcessPoolExecutor other(1); }), "in_rank"));
    EXPECT(has(thrown<rankpool::Error>([] { const rankpool::Pool other(1); }), "in_rank"));
    Options options;
    options.mp_context = MpContext::in_rank;
    EXPECT(has(thrown<rankpool::Error>([&] { const rankpool::ProcessPoolExecutor other(options); }), "one executor"));
    const auto group = [](const communicator& own) { return own.size(); };
    EXPECT(has(thrown<rankpool::Error>([&] { executor->submit({.ranks = 2}, group); }), "in_rank"));
    check_map(*executor, 20);
  }
  comm.barrier();
}

/// The ranks live where they are told only by the root; the others' options do not count.
void only_the_options_of_the_root_count(const communicator& comm) {
  CommOptions options;
  if (comm.rank() == 0) options = in_rank();
  if (CommExecutor executor(comm, options); executor) check_map(*executor, 50);
  comm.barrier();
}

/// Under a launcher that lets the others live (--enable-recovery).
void a_crash_is_the_crash_of_a_rank(const communicator& comm) {
  if (CommExecutor executor(comm, in_rank()); executor) {
    auto lost = executor->submit([] { std::raise(SIGKILL); });
    const std::string text = thrown<rankpool::TerminatedWorkerError>([&] { lost.result(); });
    std::printf("%s\n", text.c_str());
    EXPECT(has(text, "rank "));
  }
  std::fflush(nullptr);
  std::_Exit(0);  // a rank is lost: MPI cannot be finalised
}

void the_rest_goes_on_after_a_crash(const communicator& comm) {
  CommOptions options = in_rank();
  options.executor.on_worker_death = rankpool::OnWorkerDeath::replace;
  if (CommExecutor executor(comm, options); executor) {
    for (int left = comm.size() - 1; left > 1; --left) {
      EXPECT(!thrown<rankpool::TerminatedWorkerError>([&] {
                executor->submit([] { std::raise(SIGKILL); }).result();
              }).empty());
      check_map(*executor, 50);
    }
    // And with the last one the executor breaks.
    EXPECT(!thrown<rankpool::TerminatedWorkerError>([&] {
              executor->submit([] { std::raise(SIGKILL); }).result();
            }).empty());
    EXPECT(!thrown<rankpool::BrokenProcessPool>([&] { executor->submit(of_rank).result(); }).empty());
    std::puts("went on");
  }
  std::fflush(nullptr);
  std::_Exit(0);
}

const std::map<std::string, void (*)(const communicator&)> kCases{
    {"tasks_run_in_the_mpi_process_of_each_rank_but_the_root", tasks_run_in_the_mpi_process_of_each_rank_but_the_root},
    {"each_root_in_turn", each_root_in_turn},
    {"disjoint", disjoint},
    {"alone", alone},
    {"exceptions_come_home", exceptions_come_home},
    {"large_values", large_values},
    {"shared_objects", shared_objects},
    {"initialized_and_cancelled", initialized_and_cancelled},
    {"terminated", terminated},
    {"what_it_cannot_do_is_refused", what_it_cannot_do_is_refused},
    {"only_the_options_of_the_root_count", only_the_options_of_the_root_count},
    {"a_crash_is_the_crash_of_a_rank", a_crash_is_the_crash_of_a_rank},
    {"the_rest_goes_on_after_a_crash", the_rest_goes_on_after_a_crash},
};

}  // namespace

/// in_rank CASE|most
int main(int argc, char** argv) {
  const boost::mpi::environment environment(argc, argv, boost::mpi::threading::serialized);
  const communicator comm;
  const std::string which = argc > 1 ? argv[1] : "most";
  std::string now = which;
  try {
    if (which != "most") {
      kCases.at(which)(comm);
    } else {
      for (const auto& [name, run] : kCases) {
        if (name.find("crash") != std::string::npos) continue;
        now = name;
        run(comm);
      }
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "rank %d: %s: %s\n", comm.rank(), now.c_str(), e.what());
    comm.abort(1);
  }
  return 0;
}
