#include "client/job.hpp"

#include <rankpool/errors.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <thread>

namespace rankpool::client {
namespace {

engine::Mailbox& some_mailbox() {
  static engine::Mailbox mailbox;
  return mailbox;
}

/// Changes the state as the engine does it: what waits for it is told.
template <class Change>
void change(engine::PoolState& state, Change&& how) {
  {
    const std::lock_guard lock(state.mutex);
    how();
  }
  state.changed.notify_all();
}

void break_up(engine::PoolState& state) {
  change(state, [&] {
    state.broken = std::make_shared<const detail::Failure>(
        detail::Failure{detail::Failure::Kind::broken, "the initializer failed", {}});
  });
}

TEST(WaitReady, returns_when_each_worker_is_ready_or_as_many_as_there_are) {
  engine::PoolState state;
  state.max_workers = 3;
  state.alive = 2;
  state.ready = 2;
  EXPECT_NO_THROW(pool::wait_ready(some_mailbox(), state));
}

TEST(WaitReady, throws_when_a_pool_breaks_of_which_one_worker_was_ready) {
  // The engine knows first that nobody is alive any more, and tells why a moment later.
  engine::PoolState state;
  state.max_workers = 2;
  state.alive = 0;
  state.ready = 1;
  std::jthread engine([&] { break_up(state); });
  EXPECT_THROW(pool::wait_ready(some_mailbox(), state), BrokenProcessPool);
}

TEST(WaitReady, throws_when_a_pool_breaks_of_which_all_were_ready) {
  engine::PoolState state;
  state.max_workers = 1;
  state.alive = 1;
  state.ready = 0;
  std::jthread engine([&] {
    change(state, [&] { state.ready = 1, state.alive = 0; });
    break_up(state);
  });
  EXPECT_THROW(pool::wait_ready(some_mailbox(), state), BrokenProcessPool);
}

TEST(WaitReady, throws_when_the_pool_ends_meanwhile) {
  engine::PoolState state;
  state.max_workers = 1;
  std::jthread engine([&] { change(state, [&] { state.ended = true; }); });
  EXPECT_THROW(pool::wait_ready(some_mailbox(), state), ShutdownError);
}

}  // namespace
}  // namespace rankpool::client
