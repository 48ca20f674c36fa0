#include "engine/shared_store.hpp"

#include "base/pace.hpp"

#include <rankpool/detail/shared_link.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace rankpool::engine {
namespace {

using namespace std::chrono_literals;
using detail::NumberKind;
using wire::SharedOp;
using wire::SharedStatus;

constexpr WorkerId kA{1};
constexpr WorkerId kB{2};
constexpr std::uint64_t kObject = 7;

struct Answer {
  Client client;
  std::uint64_t number = 0;
  SharedStatus status{};
  std::string body;
};

class Store : public testing::Test {
 protected:
  template <class T>
  static std::string bytes(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  /// Asks, and gives the number of the call.
  std::uint64_t ask(Client client, SharedOp op, const std::string& body = {}, std::int64_t number = 0,
                    std::uint64_t thread = 1, std::uint64_t id = kObject) {
    wire::SharedRequest header;
    header.op = op;
    header.id = id;
    header.thread = thread;
    header.number = number;
    detail::Bytes request(std::as_bytes(std::span(&header, 1)));
    request.append(body.data(), body.size());
    store.called({client, ++last}, request, now);
    return last;
  }
  std::uint64_t lock(Client client, std::int64_t limit = -1, std::uint64_t thread = 1) {
    return ask(client, SharedOp::lock, {}, limit, thread);
  }
  void make(long value = 5) { store.made(kObject, detail::Bytes(std::as_bytes(std::span(&value, 1)))); }
  /// The replies since the last call of this.
  std::vector<Answer> answers() {
    std::vector<SharedAction> actions;
    store.take_actions(actions);
    std::vector<Answer> all;
    for (auto& action : actions) {
      auto* const reply = std::get_if<SendReply>(&action);
      if (reply == nullptr) {
        others.push_back(std::move(action));
        continue;
      }
      auto rest = reply->reply.view();
      const auto status = *wire::take_plain<SharedStatus>(rest);
      all.push_back(
          {reply->to.client, reply->to.number, status, {reinterpret_cast<const char*>(rest.data()), rest.size()}});
    }
    return all;
  }
  std::optional<SharedStatus> status_of(std::uint64_t call) {
    for (const auto& answer : answers()) {
      if (answer.number == call) return answer.status;
    }
    return std::nullopt;
  }
  /// Past all that is kept for anybody.
  void pass_time(SharedStore::Time time = pace::kLockKept) { store.tick(now += time); }

  SharedStore store;
  SharedStore::Time now{1000};
  std::uint64_t last = 0;
  std::vector<SharedAction> others;
};

TEST_F(Store, gives_a_value_and_what_was_set) {
  make();
  ask(kA, SharedOp::get);
  ask(kB, SharedOp::set, bytes(6L));
  ask(std::nullopt, SharedOp::get);
  const auto all = answers();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].body, bytes(5L));
  EXPECT_EQ(all[1].client, kB);
  EXPECT_EQ(all[2].client, std::nullopt);
  EXPECT_EQ(all[2].body, bytes(6L));
}

TEST_F(Store, exchanges_only_what_is_expected) {
  make();
  ask(kA, SharedOp::exchange, bytes(4L) + bytes(9L));
  ask(kA, SharedOp::exchange, bytes(5L) + bytes(9L));
  ask(kA, SharedOp::get);
  const auto all = answers();
  EXPECT_EQ(all[0].status, SharedStatus::refused);
  EXPECT_EQ(all[0].body, bytes(5L));
  EXPECT_EQ(all[1].status, SharedStatus::done);
  EXPECT_EQ(all[2].body, bytes(9L));
}

TEST_F(Store, a_call_without_a_number_has_no_reply) {
  make();
  wire::SharedRequest header;
  header.id = kObject;
  store.called({kA, 0}, std::as_bytes(std::span(&header, 1)), now);
  EXPECT_TRUE(answers().empty());
}

TEST_F(Store, gives_a_lock_in_the_order_of_asking) {
  make();
  const auto first = lock(kA);
  const auto second = lock(kB);
  const auto third = lock(std::nullopt);
  EXPECT_EQ(status_of(first), SharedStatus::done);
  ask(kA, SharedOp::unlock);
  pass_time();
  auto all = answers();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].number, second);
  ask(kB, SharedOp::unlock);
  pass_time();
  all = answers();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].number, third);
}

TEST_F(Store, a_value_comes_with_its_lock_and_goes_back_with_it) {
  make();
  lock(kA);
  EXPECT_EQ(answers()[0].body, bytes(5L));
  ask(kA, SharedOp::unlock, bytes(8L));
  lock(kB);
  EXPECT_EQ(answers().back().body, bytes(8L));
}

TEST_F(Store, calls_of_others_on_a_value_wait_until_its_lock_is_free) {
  make();
  lock(kA);
  answers();
  const auto other = ask(kB, SharedOp::get);
  ask(kA, SharedOp::set, bytes(6L));
  EXPECT_EQ(status_of(other), std::nullopt);
  ask(kA, SharedOp::unlock);
  pass_time();
  EXPECT_EQ(answers().back().body, bytes(6L));
}

TEST_F(Store, who_comes_back_at_once_has_the_lock_again_for_a_while_and_then_the_others) {
  make();
  lock(kA);
  const auto other = lock(kB);
  ask(kA, SharedOp::unlock);
  ASSERT_TRUE(store.next_deadline());
  EXPECT_EQ(status_of(lock(kA)), SharedStatus::done);
  now += pace::kLockRun;
  ask(kA, SharedOp::unlock);
  EXPECT_EQ(status_of(other), SharedStatus::done);
}

TEST_F(Store, a_lock_that_is_kept_goes_on_when_anybody_else_asks) {
  make();
  lock(kA);
  const auto waiting = lock(kB);
  ask(kA, SharedOp::unlock);
  const auto polling = lock(std::nullopt, 0);
  const auto all = answers();
  EXPECT_EQ(all[2].number, waiting);
  EXPECT_EQ(all[3].number, polling);
  EXPECT_EQ(all[3].status, SharedStatus::refused);
}

TEST_F(Store, a_limited_wait_ends_when_its_time_has_come) {
  make();
  lock(kA);
  const auto limited = lock(kB, 5000);
  const auto poll = lock(kB, 0);
  const auto endless = lock(kB, INT64_MAX);
  EXPECT_EQ(status_of(poll), SharedStatus::refused);
  EXPECT_EQ(store.next_deadline(), now + 5us);
  pass_time(4us);
  EXPECT_TRUE(answers().empty());
  pass_time(1us);
  EXPECT_EQ(status_of(limited), SharedStatus::refused);
  ask(kA, SharedOp::unlock);
  pass_time();
  EXPECT_EQ(status_of(endless), SharedStatus::done);
  EXPECT_EQ(store.next_deadline(), std::nullopt);
}

TEST_F(Store, only_the_thread_that_holds_a_lock_can_unlock_it) {
  make();
  lock(kA);
  answers();
  EXPECT_EQ(status_of(ask(kB, SharedOp::unlock)), SharedStatus::misuse);
  EXPECT_EQ(status_of(ask(kA, SharedOp::unlock, {}, 0, 2)), SharedStatus::misuse);
  EXPECT_EQ(status_of(ask(kA, SharedOp::unlock)), SharedStatus::done);
  EXPECT_EQ(status_of(ask(kA, SharedOp::unlock)), SharedStatus::misuse);
}

TEST_F(Store, what_a_worker_held_is_free_when_it_is_gone_and_it_waits_for_nothing_more) {
  make();
  lock(kA);
  lock(kB, 10'000);
  const auto third = lock(std::nullopt);
  store.client_gone(kB);
  EXPECT_EQ(store.next_deadline(), std::nullopt);
  store.client_gone(kA);
  EXPECT_EQ(status_of(third), SharedStatus::done);
}

TEST_F(Store, a_lock_kept_for_a_worker_that_dies_goes_to_the_next) {
  make();
  lock(kA);
  const auto second = lock(kB);
  ask(kA, SharedOp::unlock);
  store.client_gone(kA);
  pass_time();
  EXPECT_EQ(status_of(second), SharedStatus::done);
}

TEST_F(Store, whoever_waits_for_what_is_forgotten_is_told) {
  make();
  lock(kA);
  const auto waiting = lock(kB, 10'000);
  const auto reading = ask(kB, SharedOp::get);
  store.forgotten(kObject);
  auto all = answers();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].number, waiting);
  EXPECT_EQ(all[1].status, SharedStatus::error);
  EXPECT_EQ(all[2].number, reading);
  EXPECT_EQ(store.next_deadline(), std::nullopt);
  EXPECT_EQ(store.size(), 0U);
  EXPECT_EQ(status_of(ask(kB, SharedOp::get)), SharedStatus::error);
}

TEST_F(Store, a_broadcast_is_given_to_workers_and_forgotten_by_those_that_had_it) {
  store.made(kObject, std::make_shared<channel::Blob>(kObject, 0));
  ask(kA, SharedOp::blob);
  ask(kA, SharedOp::blob);
  ask(kB, SharedOp::blob);
  store.client_gone(kB);
  store.forgotten(kObject);
  EXPECT_TRUE(answers().empty());
  ASSERT_EQ(others.size(), 5U);
  EXPECT_EQ(std::get<GiveBlob>(others[0]).to.client, kA);
  EXPECT_EQ(std::get<ForgetAtWorker>(others[3]).worker, kA);
  EXPECT_EQ(std::get<ForgetBlob>(others[4]).id, kObject);
}

TEST_F(Store, refuses_what_makes_no_sense) {
  make();
  EXPECT_EQ(status_of(ask(kA, SharedOp::set, "abc")), SharedStatus::error);
  EXPECT_EQ(status_of(ask(kA, SharedOp::get, "abc")), SharedStatus::error);
  EXPECT_EQ(status_of(ask(kA, SharedOp::exchange, bytes(5L))), SharedStatus::error);
  EXPECT_EQ(status_of(ask(kA, SharedOp::blob)), SharedStatus::error);
  EXPECT_EQ(status_of(ask(kA, SharedOp{99}, bytes(5L))), SharedStatus::error);
  EXPECT_EQ(status_of(ask(kA, SharedOp::get, {}, 0, 1, 8)), SharedStatus::error);
  store.called({kA, ++last}, {}, now);
  EXPECT_EQ(status_of(last), SharedStatus::error);
  lock(kA);
  answers();
  ask(kA, SharedOp::unlock, "abc");
  EXPECT_EQ(status_of(ask(kA, SharedOp::get)), SharedStatus::done);
}

TEST_F(Store, survives_any_request) {
  std::mt19937 random(4711);
  const auto any_worker = [&] { return WorkerId{static_cast<std::uint32_t>(random() % 3)}; };
  for (int round = 0; round < 20'000; ++round) {
    if (round % 50 == 0) store.made(random() % 4, detail::Bytes(8));
    std::string request(random() % 60, '\0');
    for (char& byte : request) byte = static_cast<char>(random() % 9);
    store.called({any_worker(), random() % 9}, std::as_bytes(std::span(request)), now);
    if (random() % 20 == 0) store.client_gone(any_worker());
    if (random() % 40 == 0) store.forgotten(random() % 4);
    pass_time(SharedStore::Time(random() % 50'000));
    answers();
  }
}

TEST_F(Store, a_queue_gives_items_in_the_order_in_which_they_were_put) {
  store.made_queue(kObject, 0);
  ask(kA, SharedOp::put, "one", -1);
  ask(kB, SharedOp::put, "two", -1);
  answers();
  ask({}, SharedOp::take, {}, -1);
  ask({}, SharedOp::take, {}, -1);
  const auto taken = answers();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].body, "one");
  EXPECT_EQ(taken[1].body, "two");
}

TEST_F(Store, who_takes_from_an_empty_queue_waits_for_an_item_or_for_its_time) {
  store.made_queue(kObject, 0);
  const auto defer_wakeup = ask({}, SharedOp::take, {}, -1);
  const auto hasty = ask(kB, SharedOp::take, {}, 1000);
  EXPECT_EQ(status_of(ask(kB, SharedOp::take, {}, 0)), SharedStatus::refused);
  EXPECT_TRUE(answers().empty());
  pass_time(1000ns);
  const auto late = answers();
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].number, hasty);
  ask(kA, SharedOp::put, "x", -1);
  const auto given = answers();
  ASSERT_EQ(given.size(), 2U);
  EXPECT_EQ(given[0].number, defer_wakeup);
  EXPECT_EQ(given[0].body, "x");
}

TEST_F(Store, who_puts_into_a_full_queue_waits_for_room_and_a_dead_one_does_not) {
  store.made_queue(kObject, 1);
  ask(kA, SharedOp::put, "1", -1);
  answers();
  EXPECT_EQ(status_of(ask(kA, SharedOp::put, "none", 0)), SharedStatus::refused);
  ask(kB, SharedOp::put, "lost", -1);
  const auto second = ask(kA, SharedOp::put, "2", -1);
  EXPECT_TRUE(answers().empty());
  store.client_gone(kB);
  ask({}, SharedOp::take, {}, -1);
  const auto after = answers();
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].body, "1");
  EXPECT_EQ(after[1].number, second);
  ask({}, SharedOp::take, {}, -1);
  EXPECT_EQ(answers().at(0).body, "2");
}

TEST_F(Store, a_queue_is_no_value_and_a_value_no_queue) {
  make();
  EXPECT_EQ(status_of(ask(kA, SharedOp::put, "x", -1)), SharedStatus::error);
  EXPECT_EQ(status_of(ask(kA, SharedOp::take, {}, -1)), SharedStatus::error);
  store.forgotten(kObject);
  store.made_queue(kObject, 0);
  EXPECT_EQ(status_of(ask(kA, SharedOp::get)), SharedStatus::error);
  EXPECT_EQ(status_of(lock(kA)), SharedStatus::error);
}

TEST_F(Store, who_waits_for_a_queue_that_goes_is_told) {
  store.made_queue(kObject, 0);
  ask(kA, SharedOp::take, {}, -1);
  store.forgotten(kObject);
  const auto told = answers();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].status, SharedStatus::error);
}

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

TEST(SharedValues, add_wraps_around_and_knows_numbers_only) {
  const auto add = [](auto value, auto summand, NumberKind kind) {
    wire::SharedRequest request;
    request.op = SharedOp::add;
    request.number_kind = static_cast<std::uint8_t>(kind);
    const auto reply =
        wire::serve_value(request, std::as_bytes(std::span(&summand, 1)), std::as_writable_bytes(std::span(&value, 1)));
    return std::pair(SharedStatus(reply.data()[0]), value);
  };
  EXPECT_EQ(add(std::uint8_t{250}, std::uint8_t{10}, NumberKind::integer),
            std::pair(SharedStatus::done, std::uint8_t{4}));
  EXPECT_EQ(add(5L, -7L, NumberKind::integer), std::pair(SharedStatus::done, -2L));
  EXPECT_EQ(add(INT64_MAX, std::int64_t{1}, NumberKind::integer), std::pair(SharedStatus::done, INT64_MIN));
  EXPECT_EQ(add(0.5F, 0.25F, NumberKind::floating), std::pair(SharedStatus::done, 0.75F));
  EXPECT_EQ(add(0.5, 0.25, NumberKind::floating), std::pair(SharedStatus::done, 0.75));
  EXPECT_EQ(add(char{1}, char{1}, NumberKind::floating).first, SharedStatus::error);
  EXPECT_EQ(add(1, 1, NumberKind{77}).first, SharedStatus::error);
}

}  // namespace
}  // namespace rankpool::engine
