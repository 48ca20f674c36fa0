#include "watch/progress_reader.hpp"

#include "unit/watch/stories.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace rankpool::watch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct FakeOutput final : ProgressOutput {
  std::optional<Size> size;
  std::string text;
  std::size_t lines_kept = 0;
  std::optional<Size> terminal() override { return size; }
  [[nodiscard]] bool utf8() const override { return true; }
  void write(const std::string& more) override { text += more; }
  void kept(std::size_t lines) override { lines_kept = lines; }
  std::string take() { return std::exchange(text, {}); }
};

struct ProgressReaderTest : testing::Test {
  FakeOutput output;
  Story story;
  void tell_begin(std::uint64_t work, const std::string& label, std::uint64_t items, Time when = 0) {
    story.work(work, "fit", items, label, false, when);
  }
  void SetUp() override {
    story.rank(0, "n0", true);
    story.worker(0, 0);
  }
};

TEST_F(ProgressReaderTest, in_a_file_there_are_whole_lines_after_ten_seconds_and_one_at_the_end) {
  ProgressReader reader(output, {});
  story.listen(reader);
  tell_begin(1, "fits", 100);
  story.sent(0, 1, 1, 0, 100, 0);
  story.ended(0, 1, 1, 0, 25, 5 * kSecond);
  for (Time now = 0; now < 10 * kSecond; now += kSecond / 10) reader.tick(now, story.book());
  EXPECT_EQ(output.text, "");
  reader.tick(10 * kSecond, story.book());
  EXPECT_EQ(output.take(), "rankpool: fits: 25 % (25 of 100), 2.5/s, 00:10 gone, 00:30 left\n");
  story.ended(0, 1, 1, 25, 75, 12 * kSecond);
  EXPECT_EQ(output.text, "");
  story.simple(What::work_ended, 1, 0, 0, 12 * kSecond);
  EXPECT_EQ(output.take(), "rankpool: fits: 100 % (100 of 100), 8.3/s, 00:12 gone\n");
  EXPECT_EQ(reader.next(13 * kSecond), INT64_MAX);
}

TEST_F(ProgressReaderTest, a_short_map_has_its_last_line_alone) {
  ProgressReader reader(output, {});
  std::vector<std::uint64_t> finished;
  reader.on_finished([&](std::uint64_t work) { finished.push_back(work); });
  story.listen(reader);
  tell_begin(1, "fits", 4);
  story.sent(0, 1, 1, 0, 4, 0);
  story.ended(0, 1, 1, 0, 4, kSecond);
  story.simple(What::work_ended, 1, 0, 0, kSecond);
  EXPECT_EQ(output.take(), "rankpool: fits: 100 % (4 of 4), 4.0/s, 00:01 gone\n");
  EXPECT_THAT(finished, ElementsAre(1U));
}

TEST_F(ProgressReaderTest, maps_without_a_label_are_shown_only_if_all_are_and_they_last) {
  ProgressReader some(output, {});
  story.listen(some);
  story.work(1, "fit", 100);
  some.tick(60 * kSecond, story.book());
  EXPECT_EQ(output.text, "");
  ProgressReader all(output, {ProgressMode::How::automatic, true});
  story.listen(all);
  story.work(2, "fit", 100);
  story.sent(0, 1, 2, 0, 100, 0);
  story.work(3, "short", 100);
  story.ended(0, 1, 2, 0, 100, 3 * kSecond);
  story.simple(What::work_ended, 3, 0, 0, kSecond);
  EXPECT_EQ(output.text, "");
  story.simple(What::work_ended, 2, 0, 0, 3 * kSecond);
  EXPECT_THAT(output.take(), HasSubstr("rankpool: fit: 100 % (100 of 100)"));
}

TEST_F(ProgressReaderTest, what_the_program_tells_itself_is_shown_as_maps_are) {
  ProgressReader reader(output, {});
  std::vector<std::uint64_t> finished;
  reader.on_finished([&](std::uint64_t work) { finished.push_back(work); });
  const auto told = std::make_shared<ToldProgress>("files", std::nullopt);
  reader.add(77, told);
  reader.tick(0, story.book());
  EXPECT_LT(reader.next(0), kSecond);
  told->change([](auto& counts) {
    counts.done = 3;
    counts.failed = 1;
    counts.retried = 2;
    counts.skipped = 4;
  });
  reader.tick(10 * kSecond, story.book());
  EXPECT_EQ(output.take(), "rankpool: files: 8 done, 2.5 s each, 00:10 gone, 1 failed, 2 retried\n");
  told->change([](auto& counts) {
    counts.done = 5;
    counts.total = 20;
  });
  reader.tick(20 * kSecond, story.book());
  EXPECT_EQ(output.take(),
            "rankpool: files: 50 % (10 of 20), 3.33 s each, 00:20 gone, 00:33 left, 1 failed, 2 retried\n");
  EXPECT_THAT(finished, IsEmpty());
  told->change([](auto& counts) {
    counts.done = 15;
    counts.finished = true;
  });
  told->change([](auto& counts) { counts.done = 1000; });  // too late
  reader.tick(30 * kSecond, story.book());
  EXPECT_EQ(output.take(), "rankpool: files: 100 % (20 of 20), 1.88 s each, 00:30 gone, 1 failed, 2 retried\n");
  EXPECT_THAT(finished, ElementsAre(77U));
  EXPECT_EQ(reader.next(30 * kSecond), INT64_MAX);
}

TEST_F(ProgressReaderTest, what_was_never_finished_has_its_last_line_at_the_end) {
  ProgressReader reader(output, {});
  const auto told = std::make_shared<ToldProgress>("files", std::nullopt);
  reader.add(77, told);
  reader.tick(0, story.book());
  told->change([](auto& counts) { counts.done = 3; });
  reader.end(kSecond, story.book());
  EXPECT_EQ(output.take(), "rankpool: files: 100 % (3 of 3), 3.0/s, 00:01 gone\n");
}

TEST_F(ProgressReaderTest, two_maps_at_a_time_have_two_lines_of_a_terminal) {
  output.size = ProgressOutput::Size{24, 80};
  ProgressReader reader(output, {});
  story.listen(reader);
  tell_begin(1, "fits", 100);
  reader.tick(kSecond, story.book());
  EXPECT_EQ(output.lines_kept, 1U);
  EXPECT_THAT(output.take(), HasSubstr("\x1b[24;1H\x1b[2Kfits   0%|"));
  tell_begin(2, "sweeps", 10, kSecond);
  reader.tick(2 * kSecond, story.book());
  EXPECT_EQ(output.lines_kept, 2U);
  const std::string both = output.take();
  EXPECT_THAT(both, HasSubstr("\x1b[23;1H\x1b[2Kfits   0%|"));
  EXPECT_THAT(both, HasSubstr("\x1b[24;1H\x1b[2Ksweeps   0%|"));
  story.simple(What::work_ended, 1, 0, 0, 3 * kSecond);
  EXPECT_EQ(output.lines_kept, 1U);
  story.simple(What::work_ended, 2, 0, 0, 3 * kSecond);
  EXPECT_EQ(output.lines_kept, 0U);
}

TEST_F(ProgressReaderTest, a_terminal_of_two_lines_keeps_none_but_gets_the_last_line) {
  output.size = ProgressOutput::Size{2, 80};
  ProgressReader reader(output, {});
  story.listen(reader);
  tell_begin(1, "fits", 100);
  reader.tick(kSecond, story.book());
  EXPECT_EQ(output.text, "");
  story.simple(What::work_ended, 1, 0, 0, 3 * kSecond);
  EXPECT_THAT(output.take(), HasSubstr("fits"));
}

TEST_F(ProgressReaderTest, a_bar_that_is_forced_where_there_is_no_terminal_stays_in_one_line) {
  ProgressReader reader(output, {ProgressMode::How::bar, false});
  story.listen(reader);
  tell_begin(1, "fits", 100);
  reader.tick(kSecond, story.book());
  reader.tick(2 * kSecond, story.book());
  story.simple(What::work_ended, 1, 0, 0, 3 * kSecond);
  const std::string text = output.take();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 3);
}

TEST_F(ProgressReaderTest, a_log_on_a_terminal_keeps_no_lines) {
  output.size = ProgressOutput::Size{24, 80};
  ProgressReader reader(output, {ProgressMode::How::log, false});
  story.listen(reader);
  tell_begin(1, "fits", 100);
  reader.tick(11 * kSecond, story.book());
  EXPECT_THAT(output.take(), HasSubstr("rankpool: fits: 0 %"));
  EXPECT_EQ(output.lines_kept, 0U);
}

TEST_F(ProgressReaderTest, what_has_not_ended_when_the_job_does_is_said) {
  ProgressReader reader(output, {});
  story.listen(reader);
  tell_begin(1, "fits", 100);
  reader.end(5 * kSecond, story.book());
  EXPECT_THAT(output.take(), HasSubstr("rankpool: fits: 0 % (0 of 100)"));
}

TEST_F(ProgressReaderTest, an_endless_map_whose_pool_breaks_ends) {
  ProgressReader reader(output, {});
  story.listen(reader);
  story.work(1, "fit", 10, "stream", true);
  story.simple(What::items_failed, 1, 0, UINT64_MAX, kSecond, Outcome::broken);
  story.simple(What::work_ended, 1, 0, 0, kSecond);
  EXPECT_THAT(output.take(), HasSubstr("rankpool: stream: "));
}

}  // namespace
}  // namespace rankpool::watch
