#include "unit/engine/shared_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <tuple>

namespace rankpool::engine {
namespace {

using namespace std::chrono_literals;

/// The workers are of rank 0's node, and do what they can by themselves.
class StoreWithLeases : public Store {
 protected:
  StoreWithLeases() {
    store = SharedStore([this](WorkerId worker) {
      auto& leases = places[worker];
      if (!leases) leases = std::make_shared<channel::Leases>();
      return leases;
    });
  }
  channel::Lease& lease(WorkerId worker, std::size_t number = 0) { return places.at(worker)->at(number); }
  /// True if rank 0 has to be told.
  bool give_back(WorkerId worker, long value, SharedStore::Time lasted = {}) {
    channel::Lease& lease = this->lease(worker);
    return lease.give_back(lease.hold_of(kObject), std::as_bytes(std::span(&value, 1)), now - lasted, now) ==
           channel::Lease::Given::to_be_told;
  }
  std::string value() {
    ask(std::nullopt, SharedOp::get);
    const auto all = answers();
    return all.empty() ? "none" : all.back().body;
  }

  std::map<WorkerId, std::shared_ptr<channel::Leases>> places;
};

TEST_F(StoreWithLeases, a_worker_takes_its_lock_again_by_itself_and_others_read_the_value) {
  make();
  lock(kA);
  EXPECT_EQ(answers().at(0).body, bytes(5L));
  for (long value = 6; value < 9; ++value) {
    EXPECT_FALSE(give_back(kA, value));
    EXPECT_EQ(this->value(), bytes(value));
    EXPECT_TRUE(lease(kA).take(kObject));
  }
}

TEST_F(StoreWithLeases, a_lock_that_is_not_used_goes_to_who_asks_with_its_value) {
  make();
  lock(kA);
  give_back(kA, 6);
  now += pace::kLeaseIdle;
  answers();
  lock(std::nullopt);
  EXPECT_EQ(answers().at(0).body, bytes(6L));
  EXPECT_FALSE(lease(kA).take(kObject));
  EXPECT_EQ(store.next_deadline(), std::nullopt);
}

TEST_F(StoreWithLeases, a_lock_in_use_stays_with_its_worker_for_a_while_and_then_goes_to_the_others) {
  make();
  lock(kA);
  give_back(kA, 6);
  const auto second = lock(kB);
  const auto third = lock(std::nullopt);
  answers();
  const auto end = now + pace::kLockRun;
  while (const auto look = store.next_deadline()) {
    EXPECT_TRUE(lease(kA).take(kObject));
    if (*look >= end) break;
    now = *look;
    give_back(kA, 6);
    store.tick(now);
    ASSERT_TRUE(answers().empty());
  }
  store.tick(now = end);
  EXPECT_TRUE(answers().empty());
  EXPECT_TRUE(give_back(kA, 7));
  EXPECT_FALSE(lease(kA).take(kObject));
  ask(kA, SharedOp::unlock);
  auto all = answers();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].number, second);
  EXPECT_EQ(all[1].body, bytes(7L));
  EXPECT_FALSE(give_back(kB, 8));
  pass_time();
  EXPECT_EQ(status_of(third), SharedStatus::done);
}

TEST_F(StoreWithLeases, a_worker_that_held_a_lock_for_long_tells_if_somebody_waits) {
  make();
  lock(kA);
  const auto other = lock(kB);
  now += 2 * pace::kLongSection;
  EXPECT_TRUE(give_back(kA, 6, 2 * pace::kLongSection));
  ask(kA, SharedOp::unlock);
  EXPECT_EQ(status_of(other), SharedStatus::done);
}

TEST_F(StoreWithLeases, who_does_not_wait_gets_a_lock_that_is_free_at_once) {
  make();
  lock(kA);
  EXPECT_EQ(status_of(lock(kB, 0)), SharedStatus::refused);
  give_back(kA, 6);
  EXPECT_EQ(status_of(lock(kB, 0)), SharedStatus::done);
}

TEST_F(StoreWithLeases, a_limited_wait_ends_in_time_and_well_if_the_lock_is_free_then) {
  make();
  lock(kA);
  const auto in_vain = lock(kB, 1'000);
  pass_time(1us);
  EXPECT_EQ(status_of(in_vain), SharedStatus::refused);
  give_back(kA, 6);
  const auto well = lock(kB, 1'000);
  pass_time(1us);
  EXPECT_EQ(status_of(well), SharedStatus::done);
}

TEST_F(StoreWithLeases, other_threads_of_its_worker_wait_for_it_as_others_do) {
  make();
  lock(kA, -1, 1);
  answers();
  const auto second = lock(kA, -1, 2);
  const auto reading = ask(kA, SharedOp::get, {}, 0, 2);
  EXPECT_TRUE(answers().empty());
  give_back(kA, 6);
  pass_time();
  EXPECT_EQ(answers().at(0).number, second);
  give_back(kA, 7);
  pass_time();
  const auto read = answers();
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].number, reading);
  EXPECT_EQ(read[0].body, bytes(7L));
}

TEST_F(StoreWithLeases, what_a_dead_worker_gave_back_is_there_and_what_it_held_is_as_it_was) {
  for (const bool held : {false, true}) {
    make();
    const auto first = lock(kA);
    ASSERT_EQ(status_of(first), SharedStatus::done);
    give_back(kA, 6);
    EXPECT_EQ(held && lease(kA).take(kObject), held);
    const auto waiting = lock(kB);
    store.client_gone(kA);
    const auto all = answers();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].number, waiting);
    EXPECT_EQ(all[0].body, bytes(6L));
    store.client_gone(kB);
    places.clear();
    EXPECT_EQ(value(), bytes(6L));
    EXPECT_EQ(store.next_deadline(), std::nullopt);
  }
}

TEST_F(StoreWithLeases, a_worker_has_the_last_few_locks_on_lease) {
  constexpr std::uint64_t kLocks = 2 * std::tuple_size_v<channel::Leases>;
  for (std::uint64_t id = 1; id <= kLocks; ++id) {
    store.made(id, detail::Bytes());
    ask(kA, SharedOp::lock, {}, -1, 1, id);
    EXPECT_EQ(answers().at(0).status, SharedStatus::done);
    for (auto& lease : *places.at(kA)) {
      if (const auto hold = lease.hold_of(id)) lease.give_back(hold, {}, {}, now);
    }
    pass_time();
  }
  EXPECT_TRUE(std::any_of(places.at(kA)->begin(), places.at(kA)->end(), [](auto& one) { return one.take(kLocks); }));
  for (std::uint64_t id = 1; id < kLocks; ++id) {
    ask(kB, SharedOp::lock, {}, 0, 1, id);
    EXPECT_EQ(answers().at(0).status, SharedStatus::done) << id;
  }
  ask(kB, SharedOp::lock, {}, 0, 1, kLocks);
  EXPECT_EQ(answers().at(0).status, SharedStatus::refused);
}

TEST_F(StoreWithLeases, more_locks_than_there_are_places_can_be_held) {
  for (std::uint64_t id = 1; id <= 9; ++id) {
    store.made(id, detail::Bytes());
    EXPECT_EQ(status_of(ask(kA, SharedOp::lock, {}, -1, 1, id)), SharedStatus::done);
  }
  for (std::uint64_t id = 1; id <= 9; ++id) {
    EXPECT_EQ(status_of(ask(kB, SharedOp::lock, {}, 0, 1, id)), SharedStatus::refused);
  }
  EXPECT_EQ(status_of(ask(kA, SharedOp::unlock, {}, 0, 1, 9)), SharedStatus::done);
}

TEST_F(StoreWithLeases, an_unlock_without_a_thread_is_refused_though_the_lock_comes_to_its_worker_just_then) {
  make();
  lock(kA);
  give_back(kA, 6);
  const auto locking = lock(kB);
  answers();
  now += pace::kLeaseIdle;
  const auto unlocking = ask(kB, SharedOp::unlock, {}, 0, 0);
  const auto all = answers();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].number, locking);
  EXPECT_EQ(all[0].status, SharedStatus::done);
  EXPECT_EQ(all[1].number, unlocking);
  EXPECT_EQ(all[1].status, SharedStatus::misuse);
  const auto waiting = lock(kA);
  pass_time(2 * pace::kLockRun);
  give_back(kB, 7);
  ask(kB, SharedOp::unlock);
  EXPECT_EQ(status_of(waiting), SharedStatus::done);
}

TEST_F(StoreWithLeases, survives_workers_that_write_anything) {
  std::mt19937_64 random(4711);
  const auto any_worker = [&] { return WorkerId{static_cast<std::uint32_t>(random() % 3)}; };
  for (int round = 0; round < 50'000; ++round) {
    const std::uint64_t id = 1 + random() % 6;
    if (round % 50 == 0) {
      store.forgotten(id);
      store.made(id, detail::Bytes(8));
    }
    // One after the other: compilers do not agree on the order of arguments.
    const WorkerId worker = any_worker();
    const auto op = SharedOp(random() % 6);
    const std::string body(random() % 2 * 8, 'x');
    const auto number = static_cast<std::int64_t>(random() % 3) - 1;
    ask(worker, op, body, number, random() % 3, id);
    if (!places.empty()) {
      auto& lease = places.begin()->second->at(random() % 4);
      const auto word = static_cast<unsigned char>(random());
      std::memcpy(reinterpret_cast<std::byte*>(&lease), &word, 1);  // the head of the word that says how it stands
    }
    if (random() % 20 == 0) {
      const WorkerId gone = any_worker();
      store.client_gone(gone);
      places.erase(gone);
    }
    pass_time(SharedStore::Time(random() % 50'000));
    answers();
  }
}

}  // namespace
}  // namespace rankpool::engine
