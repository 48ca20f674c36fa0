#include "unit/engine/shared_store.hpp"

#include <rankpool/detail/shared_link.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace rankpool::engine {
namespace {

using namespace std::chrono_literals;
using detail::NumberKind;

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
