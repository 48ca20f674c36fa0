#include "watch/task_book.hpp"

#include "unit/watch/stories.hpp"

#include <gtest/gtest.h>

namespace rankpool::watch {
namespace {

TEST(TaskBook, puts_the_runs_of_a_chunk_together_from_the_workers_times) {
  Story story;
  story.rank(0, "n0", true);
  story.worker(3, 0);
  story.work(9, "fit", 3);
  EXPECT_EQ(story.book().waiting(), 3U);
  story.sent(3, 1, 9, 0, 3, 100);
  EXPECT_EQ(story.book().waiting(), 0U);
  EXPECT_EQ(story.book().busy(), 1U);
  story.ended(3, 1, 9, 0, 2, 900);
  story.ended(3, 1, 9, 2, 1, 950, Outcome::error);
  EXPECT_TRUE(story.runs().empty());  // times come behind
  story.times(3, 1, {200, 400, 500, 890}, 960);
  const auto runs = story.runs();
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0], (TaskRun{9, 0, 3, 1, 200, 400, 8, 16, Outcome::done, false}));
  EXPECT_EQ(runs[1], (TaskRun{9, 1, 3, 1, 400, 500, 8, 16, Outcome::done, false}));
  EXPECT_EQ(runs[2], (TaskRun{9, 2, 3, 1, 500, 890, 8, 16, Outcome::error, false}));
  story.chunk_done(3, 1, 690, 970);
  EXPECT_EQ(story.book().busy(), 0U);
  EXPECT_EQ(story.book().name_of(9), "fit");
}

TEST(TaskBook, names_are_looked_up_once_and_are_one_object) {
  Names names;
  int asked = 0;
  TaskBook book(names, [&](std::span<const std::byte>) {
    ++asked;
    return std::string("fit");
  });
  for (std::uint64_t work = 1; work <= 3; ++work) {
    Event e;
    e.what = What::work_submitted;
    e.work = work;
    book.take(e, {}, {});
    e.what = What::work_task;
    e.value = names.add_head(std::as_bytes(std::span("same head")));
    book.take(e, {}, {});
  }
  EXPECT_EQ(&book.name_of(1), &book.name_of(3));
  EXPECT_EQ(asked, 1);
}

TEST(TaskBook, without_times_a_chunks_own_reckoning_is_spread_over_its_items) {
  Story story;
  story.rank(0, "n0", true);
  story.worker(0, 0);
  story.work(1, "fit", 4);
  story.sent(0, 1, 1, 0, 4, 0);
  story.ended(0, 1, 1, 0, 4, 1000);
  story.chunk_done(0, 1, 800, 1000);
  const auto runs = story.runs();
  ASSERT_EQ(runs.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(runs[i].estimated);
    EXPECT_EQ(runs[i].end - runs[i].begin, 200);
  }
  EXPECT_EQ(runs[3].end, 1000);
}

TEST(TaskBook, a_lost_worker_took_its_item_along_and_its_next_try_is_the_second) {
  Story story;
  story.rank(0, "n0", true);
  story.worker(0, 0);
  story.worker(1, 0);
  story.work(1, "fit", 3);
  story.sent(0, 1, 1, 0, 3, 100);
  story.ended(0, 1, 1, 0, 1, 300);
  story.times(0, 1, {110, 290}, 310);
  story.gone(0, true, 1000);
  EXPECT_EQ(story.runs().size(), 1U);
  story.simple(What::item_retried, 1, 1, 1, 1010);
  auto runs = story.runs();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0], (TaskRun{1, 1, 0, 1, 290, 1010, 8, 0, Outcome::lost, true}));
  EXPECT_EQ(story.book().waiting(), 2U);
  story.sent(1, 2, 1, 1, 2, 1100);
  EXPECT_EQ(story.book().waiting(), 0U);
  story.ended(1, 2, 1, 1, 2, 1500);
  story.times(1, 2, {1110, 1300, 1490}, 1500);
  runs = story.runs();
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].attempt, 2U);
  EXPECT_EQ(runs[1].attempt, 1U);
}

TEST(TaskBook, a_task_that_ran_too_long_is_told_while_its_worker_lives) {
  Story story;
  story.rank(0, "n0", true);
  story.worker(0, 0);
  story.work(1, "fit", 1);
  story.sent(0, 1, 1, 0, 1, 100);
  story.simple(What::items_failed, 1, 0, 1, 5000, Outcome::timed_out);
  const auto runs = story.runs();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].outcome, Outcome::timed_out);
  EXPECT_EQ(runs[0].end, 5000);
}

TEST(TaskBook, the_loss_of_a_rank_is_the_loss_of_its_workers) {
  Story story;
  story.rank(0, "n0", true);
  story.rank(1, "n1", false);
  story.worker(0, 0);
  story.worker(1, 1);
  story.work(1, "fit", 2);
  story.sent(1, 1, 1, 0, 1, 100);
  Event lost;
  lost.what = What::rank_lost;
  lost.worker = 1;
  lost.when = 700;
  story.book().take(lost, {}, [](const TaskRun&) {});
  EXPECT_FALSE(story.book().worker(1)->alive);
  EXPECT_TRUE(story.book().worker(0)->alive);
  EXPECT_EQ(story.book().busy(), 0U);
}

TEST(TaskBook, runs_of_a_worker_never_overlap_and_end_before_they_are_told_whatever_its_clock_says) {
  Story story;
  story.rank(0, "n0", true);
  story.worker(0, 0);
  story.work(1, "fit", 6);
  story.sent(0, 1, 1, 0, 6, 100);
  story.ended(0, 1, 1, 0, 6, 1000);
  story.times(0, 1, {300, 200, 150, UINT64_MAX, 0, 700, 800}, 1000);
  Time before = 0;
  const auto runs = story.runs();
  ASSERT_EQ(runs.size(), 6U);
  for (const auto& run : runs) {
    EXPECT_GE(run.begin, before);
    EXPECT_GE(run.end, run.begin);
    EXPECT_LE(run.end, 1000);
    before = run.end;
  }
}

TEST(TaskBook, another_nodes_clock_is_set_by_round_trips) {
  Story story;
  story.rank(0, "n0", true);
  story.rank(1, "n1", false);
  story.worker(0, 1);
  story.work(1, "fit", 100);
  constexpr Time ahead = 50 * kSecond;
  Time now = kSecond;
  for (std::uint64_t i = 0; i < 100; ++i) {
    story.sent(0, i + 1, 1, i, 1, now);
    const auto begin = static_cast<std::uint64_t>(now + 20'000 + ahead);
    story.ended(0, i + 1, 1, i, 1, now + 1'040'000);
    story.times(0, i + 1, {begin, begin + 1'000'000}, now + 1'040'000);
    story.chunk_done(0, i + 1, 1'000'000, now + 1'041'000);
    now += 2 * kMillisecond;
  }
  const auto& clock = story.book().ranks().at(1).clock;
  EXPECT_NEAR(static_cast<double>(clock.offset()), static_cast<double>(ahead), 1'000);
  EXPECT_LE(clock.uncertainty(), 20'000);
  EXPECT_NEAR(static_cast<double>(story.runs().back().begin), static_cast<double>(now - 2 * kMillisecond + 20'000),
              1'000);
}

TEST(TaskBook, knows_the_name_of_a_work_whose_last_times_come_after_its_end) {
  Story story;
  story.rank(0, "n0", true);
  story.worker(0, 0);
  story.work(1, "solve", 1);
  story.sent(0, 1, 1, 0, 1, 1'000);
  story.ended(0, 1, 1, 0, 1, 9'000);
  story.simple(What::work_ended, 1, 0, 0, 9'000);
  EXPECT_EQ(story.book().work(1), nullptr);
  story.times(0, 1, {2'000, 8'000}, 9'500);
  ASSERT_EQ(story.runs().size(), 1U);
  EXPECT_EQ(story.book().name_of(1), "solve");
}

TEST(TaskBook, what_makes_no_sense_changes_nothing) {
  Story story;
  story.times(7, 1, {1, 2}, 3);
  story.ended(7, 1, 1, 0, 1, 3);
  story.chunk_done(7, 1, 1, 3);
  story.gone(7, true, 3);
  story.rank(0, "n0", true);
  story.worker(0, 0);
  story.sent(0, 1, 55, 0, 2, 1);
  story.ended(0, 9, 55, 0, 1, 2);   // another chunk
  story.ended(0, 1, 55, 0, 5, 2);   // more than there are
  story.times(0, 1, {1, 2, 3}, 4);  // nothing has ended
  EXPECT_TRUE(story.runs().empty());
  EXPECT_EQ(story.book().name_of(1234), "task");
}

}  // namespace
}  // namespace rankpool::watch
