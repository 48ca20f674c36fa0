#include "watch/progress.hpp"

#include "watch/text_width.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace rankpool::watch {
namespace {

using testing::HasSubstr;
using testing::Not;

Progress half_done(std::string label = "fits") {
  Progress progress(std::move(label), 0);
  progress.add_items(1000);
  for (int i = 1; i <= 500; ++i) progress.ended(Outcome::done, 1, i * 10 * kMillisecond);
  return progress;
}

TEST(Progress, tells_time_left_within_a_fifth_at_half_way_of_even_tasks) {
  for (const std::uint64_t items : {10U, 100U, 100'000U}) {
    for (const int workers : {1, 2, 7}) {
      for (const Time each : {20 * kMicrosecond, 10 * kMillisecond, 30 * kSecond}) {
        Progress progress("x", 0);
        progress.add_items(items);
        Time now = 0;
        for (std::uint64_t i = 1; i <= items / 2; ++i) {
          now = static_cast<Time>((i + static_cast<std::uint64_t>(workers) - 1) / static_cast<std::uint64_t>(workers)) *
                each;
          progress.ended(Outcome::done, 1, now);
        }
        const auto waves = [&](std::uint64_t n) {
          return static_cast<Time>((n + static_cast<std::uint64_t>(workers) - 1) /
                                   static_cast<std::uint64_t>(workers)) *
                 each;
        };
        const auto left = static_cast<double>(progress.left(now).value());
        const auto truth = static_cast<double>(waves(items) - now);
        // With one wave of work left it cannot be known better than to that wave.
        EXPECT_NEAR(left, truth, std::max(0.2 * truth, items > 50 ? 0.0 : static_cast<double>(each)))
            << items << " items of " << each << " ns on " << workers;
      }
    }
  }
}

TEST(Progress, what_need_not_be_done_is_done_and_not_in_the_rate) {
  Progress progress("x", 0);
  progress.set_total(1000);
  progress.skip(500);
  for (int i = 1; i <= 100; ++i) progress.ended(Outcome::done, 1, i * 100 * kMillisecond);
  EXPECT_EQ(log_line(progress, 10 * kSecond), "x: 60 % (600 of 1000), 10.0/s, 00:10 gone, 00:40 left");
}

TEST(Progress, a_note_stands_behind_the_rate) {
  Progress progress("x", 0);
  progress.set_total(std::nullopt);
  progress.set_note("3 running");
  progress.ended(Outcome::error, 2, kSecond);
  EXPECT_EQ(log_line(progress, kSecond), "x: 2 done, 2.0/s, 00:01 gone, 3 running, 2 failed");
  EXPECT_EQ(bar_line(progress, kSecond, 60, true), "x: 2 [00:01, 2.0/s, 3 running, 2 failed]");
}

TEST(Progress, follows_tasks_that_become_longer) {
  Progress progress("x", 0);
  progress.add_items(2000);
  Time now = 0;
  for (int i = 0; i < 1000; ++i) progress.ended(Outcome::done, 1, now += kMillisecond);
  for (int i = 0; i < 500; ++i) progress.ended(Outcome::done, 1, now += 10 * kMillisecond);
  EXPECT_NEAR(static_cast<double>(progress.left(now).value()), 5e9, 1e9);
}

TEST(Progress, does_not_guess_before_anything_has_ended) {
  Progress progress("x", 0);
  progress.add_items(10);
  EXPECT_FALSE(progress.left(kSecond).has_value());
  EXPECT_THAT(bar_line(progress, kSecond, 80, true), HasSubstr("0/10 [00:01<?"));
}

TEST(Progress, without_a_known_end_shows_count_rate_and_time) {
  Progress progress("stream", 0);
  progress.add_items(8);
  progress.set_open(true);
  for (int i = 1; i <= 8; ++i) progress.ended(Outcome::done, 1, i * kSecond / 4);
  EXPECT_EQ(bar_line(progress, 2 * kSecond, 80, true), "stream: 8 [00:02, 4.0/s]");
  EXPECT_EQ(log_line(progress, 2 * kSecond), "stream: 8 done, 4.0/s, 00:02 gone");
}

TEST(Progress, a_bar_has_all_its_parts_and_the_width_of_its_terminal) {
  const Progress progress = half_done();
  const std::string line = bar_line(progress, 5 * kSecond, 79, true);
  EXPECT_EQ(line, "fits  50%|███████████████████                   | 500/1000 [00:05<00:05, 100/s]");
  EXPECT_EQ(bar_line(progress, 5 * kSecond, 60, false), "fits  50%|#########..........| 500/1000 [00:05<00:05, 100/s]");
}

TEST(Progress, fits_every_terminal_with_any_label) {
  for (const std::string label :
       {"", "fits", "größe", "計算中", "a label that is far too long for what it stands for"}) {
    Progress progress = half_done(label);
    progress.ended(Outcome::error, 3, 6 * kSecond);
    for (std::size_t columns = 1; columns < 130; ++columns) {
      for (const bool utf8 : {true, false}) {
        EXPECT_LE(text_width(bar_line(progress, 6 * kSecond, columns, utf8)), columns) << label;
      }
    }
  }
}

TEST(Progress, says_what_failed_or_was_lost) {
  Progress progress = half_done();
  progress.ended(Outcome::error, 2, 5 * kSecond);
  progress.ended(Outcome::lost, 1, 5 * kSecond);
  progress.retried();
  progress.cancelled(4, 5 * kSecond);
  EXPECT_THAT(bar_line(progress, 5 * kSecond, 100, true), HasSubstr(", 2 failed, 1 lost, 1 retried, 4 cancelled]"));
  EXPECT_THAT(log_line(progress, 5 * kSecond), HasSubstr(", 2 failed, 1 lost, 1 retried, 4 cancelled"));
}

TEST(Progress, says_a_hundred_percent_only_of_all) {
  Progress progress("x", 0);
  progress.add_items(100'000);
  progress.ended(Outcome::done, 99'999, kSecond);
  EXPECT_THAT(log_line(progress, kSecond), HasSubstr("99 % (99999 of 100000)"));
  progress.ended(Outcome::done, 1, kSecond);
  progress.finish(kSecond);
  EXPECT_THAT(log_line(progress, kSecond), HasSubstr("100 %"));
}

TEST(Progress, shows_rates_of_all_sizes) {
  EXPECT_EQ(rate_text(0), "-/s");
  EXPECT_EQ(rate_text(1.0 / 4.2), "4.2 s each");
  EXPECT_EQ(rate_text(1.0 / 600), "10:00 each");
  EXPECT_EQ(rate_text(36.12), "36.1/s");
  EXPECT_EQ(rate_text(1234), "1234/s");
  EXPECT_EQ(rate_text(123'456), "123k/s");
  EXPECT_EQ(rate_text(4.56e6), "4.56M/s");
  EXPECT_EQ(time_text(59 * kSecond), "00:59");
  EXPECT_EQ(time_text(3'723 * kSecond), "1:02:03");
  EXPECT_EQ(time_text(200'000 * kSecond), "2d 07h");
}

/// The lines of a map that lasts so long, by a clock that is not waited for.
std::vector<std::string> log_of(Time lasts) {
  constexpr std::uint64_t items = 1'000'000;
  Progress progress("a sweep over all the parameters", 0);
  progress.add_items(items);
  LogPace pace(0);
  std::vector<std::string> lines;
  std::uint64_t ended = 0;
  while (pace.next() < lasts) {
    const Time now = pace.next();
    const auto by_now =
        static_cast<std::uint64_t>(static_cast<double>(items) * static_cast<double>(now) / static_cast<double>(lasts));
    progress.ended(Outcome::done, by_now - ended, now);
    ended = by_now;
    lines.push_back(log_line(progress, now));
    pace.printed(now);
  }
  progress.ended(Outcome::done, items - ended, lasts);
  progress.finish(lasts);
  lines.push_back(log_line(progress, lasts));
  return lines;
}

TEST(LogPace, keeps_the_log_of_two_hours_below_200_lines_and_20_kB) {
  const auto lines = log_of(7200 * kSecond);
  std::size_t bytes = 0;
  for (const auto& line : lines) {
    bytes += line.size() + std::string("rankpool: \n").size();
    EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
  }
  EXPECT_LE(lines.size(), 200U);
  EXPECT_GE(lines.size(), 50U);
  EXPECT_LE(bytes, 20'000U);
  EXPECT_THAT(lines.front(), HasSubstr("00:10 gone"));
  EXPECT_THAT(lines.back(), HasSubstr("100 % (1000000 of 1000000)"));
  EXPECT_THAT(lines.back(), Not(HasSubstr("left")));
}

TEST(LogPace, has_no_more_lines_in_a_year) {
  EXPECT_LE(log_of(366 * 86'400 * kSecond).size(), 200U);
  EXPECT_EQ(log_of(9 * kSecond).size(), 1U);
}

}  // namespace
}  // namespace rankpool::watch
