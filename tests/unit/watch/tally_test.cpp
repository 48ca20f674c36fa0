#include "watch/tally.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <string>

namespace rankpool::watch {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::uint64_t ns(Time time) { return static_cast<std::uint64_t>(time); }

TEST(Lengths, boxes_follow_each_other_and_are_an_eighth_wide) {
  for (std::size_t box = 0; box + 1 < Lengths::kBoxes; ++box) {
    EXPECT_LT(Lengths::begin_of(box), Lengths::begin_of(box + 1));
    EXPECT_EQ(Lengths::box_of(Lengths::begin_of(box)), box);
    EXPECT_EQ(Lengths::box_of(Lengths::begin_of(box + 1) - 1), box);
  }
  EXPECT_EQ(Lengths::box_of(UINT64_MAX), Lengths::kBoxes - 1);
}

TEST(Lengths, the_median_is_right_to_five_percent) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> length(std::log(3e6), 1.0);
  std::vector<double> all;
  Lengths lengths;
  for (int i = 0; i < 20'001; ++i) {
    all.push_back(length(random));
    lengths.add(static_cast<std::uint64_t>(all.back()), 1);
  }
  std::nth_element(all.begin(), all.begin() + 10'000, all.end());
  EXPECT_NEAR(static_cast<double>(lengths.quantile(0.5)), all[10'000], 0.05 * all[10'000]);
  EXPECT_EQ(Lengths().quantile(0.5), 0U);
}

/// Two workers, one of which had nothing to do for most of the time.
struct TallyTest : testing::Test {
  Tally tally;
  Tally::Worker* one = nullptr;
  Tally::Worker* two = nullptr;
  std::uint64_t chunk = 0;
  void SetUp() override {
    tally.opened(0);
    one = &tally.worker_started(0, 0, "n0", 0);
    two = &tally.worker_started(1, 1, "n1", 0);
    one->pid = 100;
    two->pid = 200;
  }
  void ran(Tally::Worker& worker, std::uint64_t item, Time begin, Time length, const std::string& task = "fit") {
    tally.submitted(1);
    tally.sent(worker, ++chunk, task, 8, begin);
    tally.outcome(Outcome::done, 1, 16);
    tally.chunk_done(worker, chunk, item, 1, ns(length), begin + length);
  }
};

TEST_F(TallyTest, busy_and_idle_of_all_workers_are_the_wall_time) {
  for (std::uint64_t i = 0; i < 100; ++i) ran(*one, i, static_cast<Time>(i) * 20 * kMillisecond, 20 * kMillisecond);
  ran(*two, 100, 0, 500 * kMillisecond);
  const Insights all = tally.insights(2 * kSecond, {});
  EXPECT_EQ(all.wall, std::chrono::seconds(2));
  for (const auto& worker : all.workers) EXPECT_EQ(worker.busy + worker.idle, all.wall);
  EXPECT_EQ(all.done, 101U);
  EXPECT_EQ(all.workers[0].tasks, 100U);
  EXPECT_EQ(all.workers[0].busy, std::chrono::seconds(2));
  EXPECT_EQ(all.workers[1].idle, milliseconds(1500));
  EXPECT_NEAR(all.in_tasks, 2.5 / 4, 1e-9);
  EXPECT_EQ(all.mean, nanoseconds(2'500'000'000 / 101));
  EXPECT_EQ(all.bytes_in, 808U);
  EXPECT_EQ(all.bytes_out, 1616U);
}

TEST_F(TallyTest, a_worker_that_is_started_later_has_a_shorter_life) {
  ran(*one, 0, 0, kSecond);
  tally.worker_started(2, 0, "n0", kSecond);
  const Insights all = tally.insights(3 * kSecond, {});
  EXPECT_EQ(all.workers[1].idle, std::chrono::seconds(3));
  EXPECT_EQ(all.workers[2].idle, std::chrono::seconds(2));
}

TEST_F(TallyTest, a_task_that_runs_counts_as_busy) {
  tally.submitted(1);
  tally.sent(*one, 1, "fit", 8, kSecond);
  const Insights all = tally.insights(3 * kSecond, {});
  EXPECT_EQ(all.workers[0].busy, std::chrono::seconds(2));
  EXPECT_EQ(all.unfinished, 1U);
}

TEST_F(TallyTest, the_longest_come_first_with_the_names_of_their_tasks) {
  for (std::uint64_t i = 0; i < 100; ++i)
    ran(*one, i, 0, static_cast<Time>(i + 1) * kMillisecond, i % 2 == 0 ? "even" : "odd");
  const Insights all = tally.insights(kSecond, [](std::string_view task) { return "<" + std::string(task) + ">"; });
  ASSERT_EQ(all.longest.size(), 10U);
  EXPECT_EQ(all.longest[0].time, milliseconds(100));
  EXPECT_EQ(all.longest[0].name, "<odd>");
  EXPECT_EQ(all.longest[0].number, 99U);
  EXPECT_EQ(all.longest[9].time, milliseconds(91));
}

TEST_F(TallyTest, an_item_that_is_told_apart_is_not_lost_in_the_mean_of_its_chunk) {
  tally.submitted(10);
  tally.sent(*one, 1, "fit", 80, 0);
  tally.outcome(Outcome::done, 10, 160);
  tally.took(*one, 1, 7, ns(91 * kMillisecond));
  tally.chunk_done(*one, 1, 0, 10, ns(100 * kMillisecond), 100 * kMillisecond);
  const Insights all = tally.insights(kSecond, {});
  EXPECT_EQ(all.longest[0].number, 7U);
  EXPECT_EQ(all.longest[0].time, milliseconds(91));
  EXPECT_NEAR(static_cast<double>(all.median.count()), 1e6, 0.13e6);
  EXPECT_EQ(all.mean, milliseconds(10));
}

TEST_F(TallyTest, a_lost_worker_was_busy_with_what_it_took_along) {
  tally.submitted(2);
  tally.sent(*one, 1, "fit", 8, 0);
  tally.worker_ended(*one, kSecond);
  tally.failed(Outcome::lost, 1);
  tally.retried();
  tally.cancelled(1);
  tally.ended(2 * kSecond);
  const Insights all = tally.insights(9 * kSecond, {});
  EXPECT_EQ(all.lost, 1U);
  EXPECT_EQ(all.cancelled, 1U);
  EXPECT_EQ(all.unfinished, 0U);
  EXPECT_EQ(all.wall, std::chrono::seconds(2));
  EXPECT_EQ(all.workers[0].busy, std::chrono::seconds(1));
  EXPECT_FALSE(all.workers[0].alive);
  EXPECT_THAT(all.advice, testing::Contains(HasSubstr("1 task was lost with their workers")));
}

TEST_F(TallyTest, busy_workers_need_no_advice) {
  for (std::uint64_t i = 0; i < 100; ++i) {
    ran(*one, i, static_cast<Time>(i) * 10 * kMillisecond, 10 * kMillisecond);
    ran(*two, i, static_cast<Time>(i) * 10 * kMillisecond, 10 * kMillisecond);
  }
  EXPECT_THAT(tally.insights(kSecond, {}).advice, IsEmpty());
}

TEST_F(TallyTest, short_tasks_one_by_one_are_to_be_put_together) {
  for (std::uint64_t i = 0; i < 10'000; ++i) ran(*one, i, static_cast<Time>(i) * 100 * kMicrosecond, 3 * kMicrosecond);
  EXPECT_THAT(tally.insights(kSecond, {}).advice,
              ElementsAre("tasks of 3 us: give larger chunks, or more work to each task"));
}

TEST_F(TallyTest, a_worker_that_waited_for_the_longest_task_says_so) {
  for (std::uint64_t i = 0; i < 10; ++i) ran(*two, i, static_cast<Time>(i) * 100 * kMillisecond, 100 * kMillisecond);
  ran(*one, 10, 0, 900 * kMillisecond);
  ran(*one, 11, 900 * kMillisecond, 1100 * kMillisecond);
  EXPECT_THAT(
      tally.insights(2 * kSecond, {}).advice,
      ElementsAre(
          "worker 1 was idle for 50 % of the time: it waited 1 s for the last tasks of others, the longest took "
          "1.1 s; submit the longest first, or cut them up"));
}

TEST_F(TallyTest, fewer_tasks_than_workers_are_named) {
  ran(*one, 0, 0, kSecond);
  EXPECT_THAT(tally.insights(kSecond, {}).advice,
              ElementsAre("1 task for 2 workers: cut the work into more tasks, or ask for fewer workers"));
}

TEST_F(TallyTest, large_arguments_are_to_be_broadcast) {
  for (std::uint64_t i = 0; i < 10; ++i) {
    for (auto* worker : {one, two}) {
      tally.submitted(1);
      const Time begin = static_cast<Time>(i) * 200 * kMillisecond;
      tally.sent(*worker, ++chunk, "fit", 8'000'000, begin);
      tally.outcome(Outcome::done, 1, 8);
      tally.chunk_done(*worker, chunk, i, 1, ns(100 * kMillisecond), begin + 100 * kMillisecond);
    }
  }
  EXPECT_THAT(tally.insights(2 * kSecond, {}).advice,
              ElementsAre(HasSubstr("arguments of 8 MB for each task; broadcast")));
}

TEST_F(TallyTest, prints_ten_lines) {
  std::ostringstream empty;
  empty << Insights{};
  const std::string nothing = empty.str();
  EXPECT_EQ(std::count(nothing.begin(), nothing.end(), '\n'), 10);
  for (std::uint64_t i = 0; i < 10; ++i)
    ran(i % 2 == 0 ? *one : *two, i, static_cast<Time>(i) * 100 * kMillisecond, 160 * kMillisecond);
  std::ostringstream out;
  out << tally.insights(kSecond, {});
  EXPECT_EQ(out.str(), R"(tasks     10 done, 0 failed, 0 lost, 0 retried, 0 cancelled, 0 unfinished
time      1 s with 2 workers on 2 ranks, 80 % of their time in tasks
length    mean 160 ms, median 159 ms
longest   fit #0: 160 ms on worker 0
          fit #1: 160 ms on worker 1
          fit #2: 160 ms on worker 0
data      80 B of arguments, 160 B of results
busiest   worker 0 (rank 0 on n0, pid 100): 800 ms busy, 200 ms idle, 5 tasks
idlest    worker 0 (rank 0 on n0, pid 100): 800 ms busy, 200 ms idle, 5 tasks
advice    none: the workers were busy
)");
}

}  // namespace
}  // namespace rankpool::watch
