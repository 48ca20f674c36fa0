#include "support.hpp"

#include <fstream>
#include <functional>
#include <optional>
#include <ranges>

namespace {

using rankpool::AsyncResult;
using rankpool::MapResults;
using rankpool::Pool;

class PoolEndings : public Behaviour {};

/// Runs a waiter in a thread of its own, and keeps what it threw.
class Waiter {
 public:
  explicit Waiter(std::function<void()> wait)
      : thread_([this, wait = std::move(wait)] {
          try {
            wait();
          } catch (...) {
            error_ = std::current_exception();
          }
        }) {}
  std::exception_ptr error() {
    thread_.join();
    return error_;
  }

 private:
  std::exception_ptr error_;
  std::thread thread_;  // the last member: it uses the others
};

template <class E>
bool is(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const E&) {
    return true;
  } catch (...) {
  }
  return false;
}

TEST_F(PoolEndings, terminate_releases_whoever_waits_within_two_seconds) {  // CTJ-05, ASY-13, NST-05
  Gate gate;
  Pool pool(2);
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 10'000; ++i) results.push_back(pool.apply_async(pass_gate, std::tuple(gate.name(), i)));
  ASSERT_TRUE(gate.await_marks(2));
  const std::vector<long> items{1, 2, 3};
  const auto map = pool.map_async(square, items);
  auto one_by_one = pool.imap(square, items);
  Waiter running([&] { results.front().get(kLong); });
  Waiter queued([&] { results.back().get(kLong); });
  Waiter of_map([&] { map.get(kLong); });
  Waiter of_imap([&] { one_by_one.next(kLong); });
  Waiter quiet([&] { results.back().wait(kLong); });

  const auto begin = std::chrono::steady_clock::now();
  pool.terminate();
  EXPECT_TRUE(is<rankpool::BrokenProcessPool>(running.error()));
  EXPECT_TRUE(is<rankpool::CancelledError>(queued.error()));
  EXPECT_TRUE(is<rankpool::CancelledError>(of_map.error()));
  EXPECT_TRUE(is<rankpool::CancelledError>(of_imap.error()));
  EXPECT_FALSE(quiet.error());
  for (const auto& result : results) ASSERT_TRUE(result.ready());
  pool.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  EXPECT_EQ(gate.marks(), 2U);
}

TEST_F(PoolEndings, a_blocking_map_is_released_too) {
  Gate gate;
  Pool pool(1);
  Waiter map([&] { pool.starmap(pass_gate, std::vector<std::pair<std::string, int>>(50, {gate.name(), 1}), 1); });
  ASSERT_TRUE(gate.await_marks(1));
  pool.terminate();
  EXPECT_TRUE(is<rankpool::BrokenProcessPool>(map.error()));
  EXPECT_EQ(gate.marks(), 1U);
}

TEST_F(PoolEndings, a_terminated_pool_takes_nothing) {  // CTJ-06, CTJ-08
  Pool pool(1);
  pool.terminate();
  const std::vector<long> items{1, 2};
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(thrown<rankpool::ShutdownError>([&] { pool.map_async(square, items); }), "Pool not running");
    EXPECT_THROW(pool.apply_async(square, std::tuple(1)), rankpool::ShutdownError);
    EXPECT_THROW(pool.starmap(add, std::vector<std::pair<long, long>>{{1, 2}}), rankpool::ShutdownError);
    EXPECT_THROW(pool.imap_unordered(square, items), rankpool::ShutdownError);
    pool.join();
  }
}

// -- half-read iterators: in which order the pool and the iterator end

enum class Ender { close, terminate, destructor };
enum class Drop { before, between, after };  // the end of the pool, and its destruction

/// Takes what is left, up to so many: values, the end or an error, but never a wait.
void read_on(MapResults<long>& results) {
  for (int i = 0; i < 20; ++i) {
    try {
      if (!results.next(kLong)) return;
    } catch (const rankpool::TimeoutError&) {
      ADD_FAILURE() << "a read did not return";
      return;
    } catch (const rankpool::Error&) {
    }
  }
}

class HalfRead : public ::testing::WithParamInterface<std::tuple<Ender, Drop, bool, bool>>, public PoolEndings {};
INSTANTIATE_TEST_SUITE_P(PoolEndings, HalfRead,
                         ::testing::Combine(::testing::Values(Ender::close, Ender::terminate, Ender::destructor),
                                            ::testing::Values(Drop::before, Drop::between, Drop::after),
                                            ::testing::Bool(), ::testing::Bool()));

TEST_P(HalfRead, an_endless_imap_holds_no_end_up) {  // IMAP-19 to IMAP-22, CTJ-09
  const auto [ender, drop, unordered, joined] = GetParam();
  auto source = std::views::iota(0L);
  std::optional<Pool> pool(std::in_place, 2);
  std::optional<MapResults<long>> results(unordered ? pool->imap_unordered(square, source, 1, 2)
                                                    : pool->imap(square, source, 1, 2));
  ASSERT_TRUE(results->next(kLong));
  if (drop == Drop::before) results.reset();
  if (ender == Ender::close) pool->close();
  if (ender == Ender::terminate) pool->terminate();
  if (joined && ender != Ender::destructor) pool->join();
  if (drop == Drop::between) {
    if (ender != Ender::destructor) read_on(*results);
    results.reset();
  }
  pool.reset();
  if (results) read_on(*results);
}

}  // namespace
