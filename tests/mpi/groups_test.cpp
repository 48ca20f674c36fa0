// Tasks of several ranks, as their users see them.
#include "behaviour/support.hpp"

#include <rankpool/mpi.hpp>

#include <boost/mpi/collectives.hpp>
#include <boost/mpi/environment.hpp>

#include <csignal>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using boost::mpi::communicator;
using rankpool::ExecutorOptions;
using rankpool::OnWorkerDeath;
using rankpool::TerminatedWorkerError;

constexpr int kPlaces = 4;

ExecutorOptions places(OnWorkerDeath on_death = OnWorkerDeath::break_pool, int retries = 0) {
  ExecutorOptions options;
  options.max_workers = kPlaces;
  options.on_worker_death = on_death;
  options.max_retries = retries;
  return options;
}

int size_of(const communicator& world) { return world.size(); }

/// What goes between ranks in it is right; the result is the sum of all ranks' numbers.
int exchange(const communicator& world, int base) {
  if (world.rank() != 0) {
    world.send(0, 7, std::string(std::size_t{1} << 16U, static_cast<char>('a' + world.rank())));
  } else {
    for (int rank = 1; rank < world.size(); ++rank) {
      std::string text;
      world.recv(rank, 7, text);
      if (text != std::string(std::size_t{1} << 16U, static_cast<char>('a' + rank))) throw std::runtime_error("text");
    }
  }
  const communicator half = world.split(world.rank() % 2);
  std::vector<int> all;
  boost::mpi::all_gather(world, world.rank(), all);
  for (int rank = 0; rank < world.size(); ++rank) {
    if (all[static_cast<std::size_t>(rank)] != rank) throw std::runtime_error("all_gather");
  }
  half.barrier();
  return boost::mpi::all_reduce(world, base + world.rank(), std::plus<>());
}

using Groups = Behaviour;

TEST_F(Groups, the_result_is_what_rank_0_returns) {
  ProcessPoolExecutor executor(places());
  for (int ranks = 1; ranks <= kPlaces; ++ranks) {
    EXPECT_EQ(executor.submit({.ranks = ranks}, size_of).result(kLong), ranks);
    EXPECT_EQ(
        executor.submit({.ranks = ranks}, [](const communicator& world) { return 100 + world.rank(); }).result(kLong),
        100);
  }
}

TEST_F(Groups, mpi_works_between_its_ranks) {
  ProcessPoolExecutor executor(places());
  EXPECT_EQ(executor.submit({.ranks = 4}, exchange, 10).result(kLong), 46);
  const auto level = executor.submit({.ranks = 1}, [](const communicator&) {
    return boost::mpi::environment::thread_level() == boost::mpi::threading::multiple;
  });
  EXPECT_TRUE(level.result(kLong));
}

TEST_F(Groups, each_runs_in_fresh_processes) {
  ProcessPoolExecutor executor(places());
  const auto pids = [](const communicator& world) {
    static int calls = 0;
    std::vector<int> all;
    boost::mpi::gather(world, static_cast<int>(::getpid()) + 10'000'000 * calls++, all, 0);
    return all;
  };
  std::set<int> seen{static_cast<int>(executor.submit(own_pid).result(kLong))};
  for (int i = 0; i < 2; ++i) {
    for (const int pid : executor.submit({.ranks = 2}, pids).result(kLong)) {
      EXPECT_TRUE(seen.insert(pid).second);
      EXPECT_LT(pid, 10'000'000);
    }
  }
}

TEST_F(Groups, its_ranks_are_workers) {
  ExecutorOptions options = places();
  options.initializer = +[] { ::setenv("RANKPOOL_TEST_INITIALIZED", "yes", 1); };
  ProcessPoolExecutor executor(options);
  rankpool::Value<int> total(0);
  const auto look = [](const communicator& world, rankpool::Value<int> count) {
    if (::getenv("RANKPOOL_TEST_INITIALIZED") == nullptr) throw std::runtime_error("no initializer");
    count.fetch_add(rankpool::this_worker().id >= 0 && rankpool::in_worker() ? 1 : 0);
    std::vector<int> ids;
    boost::mpi::all_gather(world, rankpool::this_worker().id, ids);
    return std::set<int>(ids.begin(), ids.end()).size();
  };
  EXPECT_EQ(executor.submit({.ranks = 3}, look, total).result(kLong), 3U);
  EXPECT_EQ(total.get(), 3);
}

TEST_F(Groups, what_a_launcher_left_does_not_reach_it) {
  ProcessPoolExecutor executor(places());
  const auto size = [](const communicator&) {
    const char* const left = ::getenv("OMPI_COMM_WORLD_SIZE");
    return std::string(left == nullptr ? "nothing" : left);
  };
  EXPECT_EQ(executor.submit({.ranks = 2}, size).result(kLong), "nothing");
}

TEST_F(Groups, large_values_go_in_and_come_out) {
  ProcessPoolExecutor executor(places());
  const std::vector<double> input(std::size_t{1} << 20U, 1.5);
  const auto scale = [](const communicator& world, const std::vector<double>& values) {
    std::vector<double> scaled(values.size());
    std::transform(values.begin(), values.end(), scaled.begin(), [&](double x) { return x * world.size(); });
    return scaled;
  };
  const auto output = executor.submit({.ranks = 2}, scale, input).result(kLong);
  ASSERT_EQ(output.size(), input.size());
  EXPECT_EQ(output.back(), 3.0);
}

TEST_F(Groups, a_map_of_them) {
  ProcessPoolExecutor executor(places());
  const auto f = [](const communicator& world, int x, int y) {
    return boost::mpi::all_reduce(world, x * y, std::plus<>());
  };
  EXPECT_EQ(executor.map({.ranks = 2}, f, std::vector{1, 2, 3}, std::vector{4, 5, 6}).to_vector(),
            (std::vector{8, 20, 36}));
  EXPECT_EQ(executor.starmap({.ranks = 3}, f, std::vector<std::pair<int, int>>{{1, 1}, {2, 2}}).to_vector(),
            (std::vector{3, 12}));
  EXPECT_EQ(executor.map({.buffersize = 1, .ranks = 2}, exchange, std::vector{0, 1}).to_vector(), (std::vector{1, 3}));
}

TEST_F(Groups, sizes_are_mixed_with_plain_tasks) {
  ProcessPoolExecutor executor(places());
  std::vector<std::pair<Future<int>, int>> groups;
  std::vector<Future<long>> plain;
  for (int i = 0; i < 12; ++i) {
    const int ranks = 1 + i % kPlaces;
    groups.emplace_back(executor.submit({.ranks = ranks}, size_of), ranks);
    for (int k = 0; k < 5; ++k) plain.push_back(executor.submit(square, k));
  }
  for (const auto& [future, ranks] : groups) EXPECT_EQ(future.result(kLong), ranks);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(plain[i].result(kLong), square(static_cast<long>(i % 5)));
}

TEST_F(Groups, an_exception_ends_all_and_is_the_lowest_ranks) {
  ProcessPoolExecutor executor(places());
  const auto all = [](const communicator& world) -> int {
    if (world.rank() == 0) world.barrier();
    ::poll(nullptr, 0, world.rank() == 1 ? 30 : 0);  // the lowest that throws is not the first
    throw std::out_of_range("rank " + std::to_string(world.rank()));
  };
  EXPECT_EQ(thrown<std::out_of_range>([&] { executor.submit({.ranks = 4}, all).result(kLong); }), "rank 1");
  EXPECT_EQ(executor.submit({.ranks = 2}, size_of).result(kLong), 2);
}

TEST_F(Groups, a_death_is_a_lost_worker_and_names_it) {
  struct Way {
    int (*die)(const communicator&);
    std::string text;
  };
  for (const Way& way : {
           Way{+[](const communicator& world) { return world.rank() == 1 ? die_by(SIGKILL) : (world.barrier(), 0); },
               "ended by SIGKILL"},
           Way{+[](const communicator& world) { return world.rank() == 1 ? leave_with(3) : (world.barrier(), 0); },
               "ended with exit code 3"},
           Way{+[](const communicator& world) { return world.rank() == 1 ? leave_with(0) : (world.barrier(), 0); },
               "ended with exit code 0"},
           Way{+[](const communicator& world) {
                 return world.rank() == 1 ? (world.abort(7), 0) : (world.barrier(), 0);
               },
               "called MPI_Abort with 7"},
       }) {
    ProcessPoolExecutor executor(places());
    const auto begin = std::chrono::steady_clock::now();
    const std::string text =
        thrown<TerminatedWorkerError>([&] { executor.submit({.ranks = 3}, way.die).result(kLong); });
    EXPECT_NE(text.find(way.text), std::string::npos) << text;
    EXPECT_NE(text.find("rank 1 of 3 of its task"), std::string::npos) << text;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_THROW(executor.submit(square, 1), rankpool::BrokenProcessPool);
  }
}

int die_once(const communicator& world, const std::string& gate) {
  if (world.rank() == 1 && ::access((gate + "/open").c_str(), F_OK) != 0) {
    std::ofstream(gate + "/open");
    std::raise(SIGKILL);
  }
  world.barrier();
  return world.size();
}

TEST_F(Groups, with_replace_a_lost_one_is_tried_again) {
  ProcessPoolExecutor executor(places(OnWorkerDeath::replace, 1));
  const Gate gate;
  EXPECT_EQ(executor.submit({.ranks = 3}, die_once, gate.name()).result(kLong), 3);
  const auto always = [](const communicator& world) {
    return world.rank() == 0 ? die_by(SIGABRT) : (world.barrier(), 0);
  };
  EXPECT_THROW(executor.submit({.ranks = 2}, always).result(kLong), TerminatedWorkerError);
  const Gate second;
  EXPECT_THROW(executor.submit({.ranks = 2, .max_retries = 0}, die_once, second.name()).result(kLong),
               TerminatedWorkerError);
  EXPECT_EQ(executor.submit({.ranks = 4}, size_of).result(kLong), 4);
}

TEST_F(Groups, one_that_runs_too_long_is_ended) {
  ExecutorOptions options = places();
  options.task_timeout = 300ms;
  ProcessPoolExecutor executor(options);
  const auto sleep = [](const communicator& world) {
    return world.rank() == 1 ? sleep_ms(60'000) : (world.barrier(), 0);
  };
  EXPECT_THROW(executor.submit({.ranks = 2}, sleep).result(kLong), rankpool::TaskTimeoutError);
  EXPECT_EQ(executor.submit({.ranks = 4}, size_of).result(kLong), 4);
}

TEST_F(Groups, a_waiting_one_can_be_cancelled) {
  ProcessPoolExecutor executor(places());
  executor.bootup();
  const Gate gate;
  const auto pass = [](const communicator& world, const std::string& name) {
    leave_mark(name);
    await_open(name);
    return world.size();
  };
  auto running = executor.submit({.ranks = 4}, pass, gate.name());
  auto waiting = executor.submit({.ranks = 2}, size_of);
  ASSERT_TRUE(gate.await_marks(4));
  EXPECT_FALSE(running.cancel());
  EXPECT_TRUE(waiting.cancel());
  gate.open();
  EXPECT_EQ(running.result(kLong), 4);
  EXPECT_EQ(executor.submit({.ranks = 4}, size_of).result(kLong), 4);
}

TEST_F(Groups, terminating_ends_them) {
  for (const bool kill : {false, true}) {
    ProcessPoolExecutor executor(places());
    const Gate gate;
    const auto hang = [](const communicator& world, const std::string& name) {
      ::signal(SIGTERM, SIG_IGN);
      leave_mark(name);
      return sleep_ms(60'000) + world.size();
    };
    auto running = executor.submit({.ranks = 3}, hang, gate.name());
    ASSERT_TRUE(gate.await_marks(3));
    const auto begin = std::chrono::steady_clock::now();
    kill ? executor.kill_workers() : executor.terminate_workers();
    EXPECT_THROW(running.result(kLong), rankpool::BrokenProcessPool);
    executor.shutdown();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
  }
}

TEST_F(Groups, shutting_down_finishes_them) {
  std::vector<Future<int>> futures;
  {
    ProcessPoolExecutor executor(places());
    for (int i = 0; i < 3; ++i) futures.push_back(executor.submit({.ranks = 3}, size_of));
  }
  for (const auto& future : futures) {
    ASSERT_TRUE(future.done());
    EXPECT_EQ(future.result(), 3);
  }
}

TEST_F(Groups, what_cannot_be_is_refused_at_the_call) {
  ProcessPoolExecutor executor(places());
  EXPECT_EQ(thrown<std::invalid_argument>([&] { executor.submit({.ranks = 9}, size_of); }),
            "a task asks for 9 ranks, and its executor has only 4 workers");
  EXPECT_THROW(executor.submit({.ranks = 0}, size_of), std::invalid_argument);
  EXPECT_THROW(executor.submit({.ranks = 2}, square, 3), std::invalid_argument);
  EXPECT_THROW(executor.map({.ranks = 9}, exchange, std::vector{1}), std::invalid_argument);
  EXPECT_EQ(executor.submit({.ranks = 1}, square, 3).result(kLong), 9);
}

TEST_F(Groups, a_failing_initializer_breaks_the_pool) {
  ExecutorOptions options = places();
  options.initializer = +[] {
    if (::getenv("PMIX_RANK") != nullptr && ::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) throw std::runtime_error("no");
  };
  ProcessPoolExecutor executor(options);
  const std::string text =
      thrown<rankpool::BrokenProcessPool>([&] { executor.submit({.ranks = 2}, size_of).result(kLong); });
  EXPECT_NE(text.find("initializer failed"), std::string::npos) << text;
}

TEST_F(Groups, two_executors_have_them_at_the_same_time) {
  ProcessPoolExecutor first(2);
  ProcessPoolExecutor second(2);
  const auto a = first.submit({.ranks = 2}, exchange, 1);
  const auto b = second.submit({.ranks = 2}, exchange, 2);
  EXPECT_EQ(a.result(kLong), 3);
  EXPECT_EQ(b.result(kLong), 5);
}

}  // namespace
