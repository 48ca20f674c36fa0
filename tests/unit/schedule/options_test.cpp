// What one piece of work may have of its own: a priority, a time limit, a number of retries.
#include "desk.hpp"

#include <algorithm>
#include <optional>

namespace rankpool::schedule::testing {
namespace {

class Options : public Desk {
 protected:
  void submit_with(std::uint64_t number, int priority, std::uint64_t items = 1, std::uint32_t ranks = 0) {
    WorkSpec spec;
    spec.items = items;
    spec.chunk = 1;
    spec.ranks = ranks;
    spec.priority = priority;
    scheduler.work_submitted(kPool, work(number), spec);
  }
  void submit_limited(std::uint64_t number, Nanoseconds limit, std::uint64_t items = 1) {
    WorkSpec spec;
    spec.items = items;
    spec.chunk = 1;
    spec.task_timeout = limit;
    scheduler.work_submitted(kPool, work(number), spec);
  }
  /// Works in the order in which they are handed out by one worker that is through with each before the next.
  std::vector<std::uint64_t> order(int of) {
    std::vector<std::uint64_t> works;
    for (const SendChunk& chunk : take_all<SendChunk>()) works.push_back(raw(chunk.work));
    for (int i = 0; i < of; ++i) {
      finish(0, 1, kLongTask);
      for (const SendChunk& chunk : take_all<SendChunk>()) works.push_back(raw(chunk.work));
    }
    return works;
  }
};

using Priority = Options;

TEST_F(Priority, the_highest_goes_first_and_equal_ones_in_the_order_of_their_coming) {
  open(workers(1));
  teach(0, kLongTask);
  submit(1);  // is handed out at once; one may be handed ahead behind it
  submit_with(2, -1);
  submit(3);
  submit_with(4, 5);
  submit_with(5, 1);
  submit_with(6, 5);
  submit(7);
  EXPECT_THAT(order(7), ElementsAre(1, 4, 6, 5, 3, 7, 2));
}

TEST_F(Priority, items_of_a_map_are_overtaken_in_its_midst) {
  open(workers(1));
  teach(0, kLongTask);
  submit_with(1, 0, 3);
  submit_with(2, 1, 2);
  const auto works = order(5);
  ASSERT_EQ(works.size(), 5U);
  EXPECT_EQ(works.back(), 1U);
  EXPECT_EQ(std::count(works.begin() + 1, works.begin() + 4, 2U), 2);
}

TEST_F(Priority, what_is_cancelled_is_nobodys_turn) {
  open(workers(1));
  teach(0, kLongTask);
  submit(1);
  submit_with(2, 3, 2);
  submit_with(3, -3);
  scheduler.work_cancelled(work(2));
  scheduler.work_cancelled(work(3));
  submit(4);
  EXPECT_THAT(order(2), ElementsAre(1, 4));
}

TEST_F(Priority, all_of_it_ends_with_the_pool) {
  open(workers(1));
  submit(0);
  for (int priority = -3; priority <= 3; ++priority) submit_with(static_cast<std::uint64_t>(priority + 10), priority);
  take();
  scheduler.pool_stopped(kPool, SIGKILL);
  EXPECT_EQ(take_all<CancelItems>().size(), 7U);
}

TEST_F(Priority, a_group_goes_before_lower_ones_and_behind_higher_work) {
  open(workers(2));
  submit_with(0, 0, 1, 2);
  take();  // it has all places
  submit_with(1, 0, 1, 2);
  submit_with(2, 2, 1, 2);
  submit_with(3, 5);
  submit_with(4, 5);
  scheduler.group_item_ended(GroupId{0});
  scheduler.group_ended(GroupId{0}, LossId::none);
  std::vector<std::uint64_t> singles;
  for (const SendChunk& chunk : take_all<SendChunk>()) singles.push_back(raw(chunk.work));
  EXPECT_THAT(singles, ElementsAre(3, 4));
  finish(0);
  finish(1);
  const auto starts = take_all<StartGroup>();
  ASSERT_EQ(starts.size(), 1U);
  EXPECT_EQ(starts[0].work, work(2));
}

using TimeLimit = Options;

TEST_F(TimeLimit, a_work_has_its_own_in_place_of_the_pools) {
  open(limited(2, Nanoseconds{1'000}));
  submit_limited(0, Nanoseconds{5'000});
  submit(1);
  take();
  scheduler.tick(Time{0});
  scheduler.item_began(worker(0));
  scheduler.item_began(worker(1));
  EXPECT_EQ(scheduler.next_deadline(), Time{1'001});
  scheduler.tick(Time{1'001});
  EXPECT_THAT(take_all<FailItems>(), ElementsAre(FailItems{work(1), 0, 1, Reason::task_timeout, LossId::none}));
  EXPECT_EQ(scheduler.next_deadline(), Time{5'001});
  scheduler.tick(Time{5'001});
  EXPECT_THAT(take_all<FailItems>(), ElementsAre(FailItems{work(0), 0, 1, Reason::task_timeout, LossId::none}));
}

TEST_F(TimeLimit, a_work_has_one_where_the_pool_has_none) {
  open(workers(2));
  submit_limited(0, Nanoseconds{700});
  const auto limited_one = take_all<SendChunk>().at(0).worker;
  submit(1);
  take();
  scheduler.tick(Time{100});
  scheduler.item_began(worker(0));
  scheduler.item_began(worker(1));
  EXPECT_EQ(scheduler.next_deadline(), Time{801});
  scheduler.items_ended(limited_one, 1);
  EXPECT_EQ(scheduler.next_deadline(), std::nullopt);
  scheduler.tick(Time{10'000});
  EXPECT_THAT(take_all<FailItems>(), IsEmpty());
}

TEST_F(TimeLimit, the_shorter_one_that_began_later_may_run_out_first) {
  open(workers(3));
  submit_limited(0, Nanoseconds{900});
  submit_limited(1, Nanoseconds{100});
  submit_limited(2, Nanoseconds{500});
  take();
  scheduler.tick(Time{0});
  for (int i = 0; i < 3; ++i) scheduler.item_began(worker(i));
  std::vector<std::uint64_t> ended;
  while (const auto next = scheduler.next_deadline()) {
    scheduler.tick(*next);
    for (const FailItems& failed : take_all<FailItems>()) ended.push_back(raw(failed.work));
  }
  EXPECT_THAT(ended, ElementsAre(1, 2, 0));
}

TEST_F(TimeLimit, each_item_of_a_map_has_it) {
  open(replacing(1));
  submit_limited(0, Nanoseconds{100}, 2);
  take();
  scheduler.tick(Time{0});
  scheduler.item_began(worker(0));
  scheduler.tick(Time{101});
  EXPECT_THAT(take_all<FailItems>(), ElementsAre(FailItems{work(0), 0, 1, Reason::task_timeout, LossId::none}));
  scheduler.worker_ended(worker(0), kLoss, true);
  take();
  scheduler.worker_ready(worker(1));
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

using Retries = Options;

TEST_F(Retries, a_work_has_its_own_number) {
  open(replacing(1, 0));
  WorkSpec spec;
  spec.max_retries = 1;
  scheduler.work_submitted(kPool, work(0), spec);
  take();
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_EQ(take_all<RetryItem>().size(), 1U);
  scheduler.worker_ready(worker(1));
  take();
  scheduler.worker_ended(worker(1), kLoss, true);
  EXPECT_THAT(take_all<FailItems>(), ElementsAre(FailItems{work(0), 0, 1, Reason::worker_lost, kLoss}));
}

}  // namespace
}  // namespace rankpool::schedule::testing
