// Pools in a program that uses MPI itself: what is in a case is done by all ranks. Every case ends in order on all.
#include <rankpool/mpi.hpp>

#include "checks.hpp"

#include <boost/mpi/collectives.hpp>
#include <boost/mpi/environment.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
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

int host_rank(long) { return rankpool::this_worker().rank; }
int die(int signal) { return std::raise(signal); }

/// Messages of the program's own, that are under way while the ranks are a pool.
class OwnTraffic {
 public:
  OwnTraffic(const communicator& comm, int tag) : comm_(comm), tag_(tag), sent_(comm.rank()) {
    if (comm_.size() < 2) return;
    requests_.push_back(comm_.isend((comm_.rank() + 1) % comm_.size(), tag_, sent_));
  }
  /// They arrive as if nothing had been.
  void check() {
    if (comm_.size() < 2) return;
    int value = -1;
    const auto status = comm_.recv(boost::mpi::any_source, tag_, value);
    EXPECT(value == status.source());
    EXPECT(status.source() == (comm_.rank() + comm_.size() - 1) % comm_.size());
    boost::mpi::wait_all(requests_.begin(), requests_.end());
    EXPECT(!comm_.iprobe(boost::mpi::any_source, boost::mpi::any_tag));
    EXPECT(boost::mpi::all_reduce(comm_, 1, std::plus<>()) == comm_.size());
  }

 private:
  const communicator& comm_;
  int tag_;
  int sent_;
  std::vector<boost::mpi::request> requests_;
};

void map_on(const communicator& comm, int root) {
  OwnTraffic own(comm, 5);
  CommOptions options;
  options.root = root;
  if (CommExecutor executor(comm, options); executor) {
    EXPECT(comm.rank() == root);
    check_map(*executor, 200);
  } else {
    EXPECT(comm.rank() != root);
  }
  own.check();
}

void world(const communicator& comm) { map_on(comm, 0); }

void each_root_in_turn(const communicator& comm) {
  for (int root = 0; root < comm.size(); ++root) map_on(comm, root);
}

void disjoint(const communicator& comm) {
  const communicator part = comm.split(comm.rank() % 2);
  map_on(part, part.size() - 1);
  map_on(comm, 0);
}

void alone(const communicator& comm) {
  if (comm.rank() == 0) map_on(communicator(MPI_COMM_SELF, boost::mpi::comm_attach), 0);
  comm.barrier();
}

void workers_are_on_all_ranks(const communicator& comm) {
  CommOptions options;
  options.executor.max_workers = 2 * comm.size();
  options.root = comm.size() - 1;
  if (CommExecutor executor(comm, options); executor) {
    executor->bootup();
    std::set<int> ranks;
    for (int round = 0; round < 200 && std::cmp_less(ranks.size(), comm.size()); ++round) {
      for (const int rank : executor->map({.chunksize = 1}, host_rank, numbers(2 * comm.size()))) ranks.insert(rank);
    }
    EXPECT(std::cmp_equal(ranks.size(), comm.size()));
    EXPECT(std::cmp_equal(rankpool::ranks().size(), comm.size()));
  }
  comm.barrier();
}

void an_exception_on_the_root(const communicator& comm) {
  try {
    if (CommExecutor executor(comm); executor) {
      executor->submit(square, 3);
      throw std::out_of_range("the root's own");
    }
  } catch (const std::out_of_range&) {
    EXPECT(comm.rank() == 0);
  }
  map_on(comm, 0);
}

void an_exception_in_a_task(const communicator& comm) {
  if (CommExecutor executor(comm); executor) {
    try {
      executor->submit([](int) -> int { throw std::domain_error("in a task"); }, 1).result();
      EXPECT(false);
    } catch (const std::domain_error&) {
    }
    check_map(*executor, 10);
  }
  comm.barrier();
}

void a_broken_executor(const communicator& comm) {
  if (CommExecutor executor(comm); executor) {
    try {
      executor->submit(die, SIGKILL).result();
      EXPECT(false);
    } catch (const rankpool::TerminatedWorkerError&) {
    }
  }
  map_on(comm, 0);
}

void shut_down_and_terminated(const communicator& comm) {
  if (CommExecutor executor(comm); executor) executor->shutdown();
  if (CommExecutor executor(comm); executor) {
    executor->submit([](int) { std::this_thread::sleep_for(std::chrono::seconds(60)); }, 1);
    executor->terminate_workers();
  }
  map_on(comm, 0);
}

void shared_objects_and_groups(const communicator& comm) {
  CommOptions options;
  options.executor.max_workers = 3;
  if (CommExecutor executor(comm, options); executor) {
    rankpool::Value<long> total(0);
    const auto add = [](rankpool::Value<long> sum, long x) { sum.fetch_add(x); };
    std::vector<rankpool::Future<void>> futures;
    for (long x = 1; x <= 10; ++x) futures.push_back(executor->submit(add, total, x));
    for (auto& future : futures) future.result();
    EXPECT(total.get() == 55);
    EXPECT(executor->submit({.ranks = 3}, [](const communicator& own) { return own.size(); }).result() == 3);
  }
  comm.barrier();
}

void bad_options(const communicator& comm) {
  CommOptions options;
  options.root = comm.size();
  try {
    const CommExecutor executor(comm, options);
    EXPECT(false);
  } catch (const std::invalid_argument&) {
  }
  options.root = 0;
  options.executor.max_workers = 0;
  try {
    const CommExecutor executor(comm, options);
    EXPECT(comm.rank() != 0);
  } catch (const std::invalid_argument&) {
    EXPECT(comm.rank() == 0);
  }
  map_on(comm, 0);
}

void two_at_once(const communicator& comm) {
  if (CommExecutor executor(comm); executor) {
    try {
      const CommExecutor second(MPI_COMM_SELF);
      EXPECT(false);
    } catch (const rankpool::Error&) {
    }
    check_map(*executor, 10);
  }
  comm.barrier();
}

/// A rank comes late, and one never does.
void a_rank_that_never_comes(const communicator& comm) {
  ::setenv("RANKPOOL_ARRIVE_WITHIN", "1", 1);
  if (comm.rank() == 1) {
    std::this_thread::sleep_for(std::chrono::seconds(3));
  } else {
    try {
      const CommExecutor executor(comm);
      EXPECT(false);
    } catch (const rankpool::Error& e) {
      EXPECT(std::string(e.what()).find("not all ranks") != std::string::npos);
    }
  }
  std::_Exit(0);  // the collective call is open for ever: MPI cannot be finalised
}

/// Uses at random: `count` of them, each with its own communicator, root, kind of workers, size of work, exceptions and
/// own traffic.
void random_uses(const communicator& comm, int count, unsigned seed) {
  std::mt19937 common(seed);  // the same on all ranks
  for (int use = 0; use < count; ++use) {
    const int colours = 1 + static_cast<int>(common() % 2);
    const auto choice = static_cast<unsigned>(common() % 8);
    const auto pick = static_cast<unsigned>(common());
    const communicator part = comm.split(comm.rank() % colours);
    CommOptions options;
    options.root = static_cast<int>(pick % static_cast<unsigned>(part.size()));
    if (const unsigned kind = pick / 4096 % 8; kind < 3) {
      options.executor.mp_context = rankpool::MpContext::in_rank;
    } else {
      if (kind == 3) options.executor.mp_context = rankpool::MpContext::spawn;
      options.executor.max_workers = 1 + static_cast<int>(pick / 16 % 3);
    }
    OwnTraffic own(part, 9);
    try {
      if (CommExecutor executor(part, options); executor) {
        if (choice == 0) throw std::out_of_range("the root's own");
        if (choice == 1) executor->shutdown();
        if (choice > 1) check_map(*executor, static_cast<long>(pick / 64 % 50));
        if (choice == 2) executor->submit([](int) -> int { throw std::domain_error("in a task"); }, 1);
        if (choice == 3) executor->terminate_workers();
      }
    } catch (const std::out_of_range&) {
    }
    own.check();
  }
  if (comm.rank() == 0) std::printf("%d uses\n", count);
}

const std::map<std::string, void (*)(const communicator&)> kCases{
    {"world", world},
    {"each_root_in_turn", each_root_in_turn},
    {"disjoint", disjoint},
    {"alone", alone},
    {"workers_are_on_all_ranks", workers_are_on_all_ranks},
    {"an_exception_on_the_root", an_exception_on_the_root},
    {"an_exception_in_a_task", an_exception_in_a_task},
    {"a_broken_executor", a_broken_executor},
    {"shut_down_and_terminated", shut_down_and_terminated},
    {"shared_objects_and_groups", shared_objects_and_groups},
    {"bad_options", bad_options},
    {"two_at_once", two_at_once},
    {"a_rank_that_never_comes", a_rank_that_never_comes},
};

}  // namespace

/// comm_executor CASE|random [THREAD-LEVEL [COUNT SEED]]
int main(int argc, char** argv) {
  const std::string which = argc > 1 ? argv[1] : "world";
  if (which != "unprepared") rankpool::prepare(argc, argv);
  const std::map<std::string, boost::mpi::threading::level> levels{{"single", boost::mpi::threading::single},
                                                                   {"funneled", boost::mpi::threading::funneled},
                                                                   {"serialized", boost::mpi::threading::serialized},
                                                                   {"multiple", boost::mpi::threading::multiple}};
  const boost::mpi::environment environment(argc, argv, levels.at(argc > 2 ? argv[2] : "single"));
  const communicator comm;
  try {
    if (which == "random") {
      random_uses(comm, argc > 3 ? std::atoi(argv[3]) : 20, argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 1);
    } else if (which == "unprepared") {
      try {
        const CommExecutor executor(comm);
        EXPECT(false);
      } catch (const rankpool::Error& e) {
        EXPECT(std::string(e.what()).find("rankpool::prepare(argc, argv)") != std::string::npos);
      }
    } else {
      kCases.at(which)(comm);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "rank %d: %s: %s\n", comm.rank(), which.c_str(), e.what());
    comm.abort(1);
  }
  return 0;
}
