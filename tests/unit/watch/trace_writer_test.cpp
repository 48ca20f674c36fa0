#include "watch/trace_writer.hpp"

#include "unit/watch/stories.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace rankpool::watch {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

struct TraceWriterTest : testing::Test {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("rankpool_trace." + std::to_string(::getpid()));
  void SetUp() override { std::filesystem::create_directory(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }
  /// As zlib reads it, which checks the checksum and the length.
  static std::string read(const std::string& path) {
    const gzFile file = gzopen(path.c_str(), "rb");
    std::string text;
    char part[4096];
    int got = 0;
    while ((got = gzread(file, part, sizeof part)) > 0) text.append(part, static_cast<std::size_t>(got));
    int error = 0;
    EXPECT_STREQ(gzerror(file, &error), "");
    EXPECT_EQ(got, 0);
    gzclose(file);
    return text;
  }
  static void tell(Story& story) {
    story.rank(0, "n0", true);
    story.worker(0, 0);
    story.work(1, "fit(double, \"x\")", 3);
    story.sent(0, 1, 1, 0, 3, 100'000);
    story.ended(0, 1, 1, 0, 3, 900'000);
    story.times(0, 1, {200'000, 400'000, 500'000, 890'123}, 960'000);
    story.chunk_done(0, 1, 690'000, 970'000);
    story.gone(0, true, 980'000);
  }
};

TEST_F(TraceWriterTest, is_a_whole_file_after_every_flush_compressed_or_not) {
  for (const std::string name : {"run.json.gz", "run.json"}) {
    const std::string path = folder / name;
    TraceWriter writer(path, 0);
    Story story;
    story.listen(writer);
    tell(story);
    writer.tick(kSecond, story.book());
    const std::string text = read(path);
    EXPECT_THAT(text, testing::StartsWith("[\n{"));
    EXPECT_THAT(text, EndsWith("\"complete\":false}}\n]\n"));
    EXPECT_THAT(
        text,
        HasSubstr("{\"ph\":\"X\",\"name\":\"fit(double, \\\"x\\\")\",\"cat\":\"done\",\"pid\":    1,\"tid\": 100000,"
                  "\"dur\":     200.000,\"ts\":       200.000,\"args\":{\"number\":         0,\"attempt\": 1,"
                  "\"bytes_in\":         8,\"bytes_out\":        16}},\n"));
    EXPECT_THAT(text, HasSubstr("\"dur\":     390.123,\"ts\":       500.000"));
    EXPECT_THAT(text, HasSubstr("\"name\":\"worker lost\",\"cat\":\"loss\""));
    EXPECT_THAT(text, HasSubstr("\"name\":\"busy workers\""));
    writer.tick(2 * kSecond, story.book());
    writer.end(3 * kSecond, story.book());
    const std::string whole = read(path);
    EXPECT_THAT(whole, EndsWith("\"complete\": true}}\n]\n"));
    // All that was there stays.
    const std::size_t ending = text.rfind("{\"ph\":\"M\",\"name\":\"rankpool_end\"");
    EXPECT_EQ(whole.substr(0, ending), text.substr(0, ending));
  }
}

TEST_F(TraceWriterTest, numbers_that_are_wider_than_their_place_are_whole_all_the_same) {
  const std::string path = folder / "wide.json.gz";
  TraceWriter writer(path, 0);
  Story story;
  story.rank(0, "n0", true);
  TaskRun run{1, 123'456'789'012'345, 0, 100, 5, 5 + 400'000 * kSecond, 99'999'999'999, 7, Outcome::done, false};
  writer.run(run, story.book());
  writer.end(kSecond, story.book());
  EXPECT_THAT(read(path),
              HasSubstr("\"dur\":400000000000.000,\"ts\":0.005,\"args\":{\"number\":123456789012345,\"attempt\":100,"
                        "\"bytes_in\":99999999999,\"bytes_out\":7}}"));
}

TEST_F(TraceWriterTest, a_hundred_thousand_events_take_less_than_20_bytes_each) {
  const std::string path = folder / "many.json.gz";
  {
    TraceWriter writer(path, 0);
    Story story;
    story.rank(0, "n0", true);
    story.worker(0, 0);
    story.worker(1, 0);
    unsigned random = 1;
    Time ends[2] = {0, 0};
    for (std::uint64_t i = 0; i < 100'000; ++i) {
      random = random * 1'664'525 + 1'013'904'223;
      const std::size_t worker = i / 50 % 2;
      const Time length = 10'000 + (random >> 20);
      writer.run({1, i, static_cast<std::uint32_t>(worker), 1, ends[worker], ends[worker] + length, 8, 8, Outcome::done,
                  false},
                 story.book());
      ends[worker] += length + 30;
    }
    writer.end(kSecond, story.book());
  }
  EXPECT_LT(std::filesystem::file_size(path), 2'000'000U);
  const std::string text = read(path);
  std::size_t events = 0;
  for (std::size_t at = 0; (at = text.find("{\"ph\":\"X\"", at)) != std::string::npos; ++at) ++events;
  EXPECT_EQ(events, 100'000U);
}

TEST_F(TraceWriterTest, a_disk_that_is_full_ends_the_trace_and_nothing_else) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  std::filesystem::create_symlink("/dev/full", folder / "full.json");
  TraceWriter writer(folder / "full.json", 0);
  Story story;
  story.listen(writer);
  testing::internal::CaptureStderr();
  tell(story);
  writer.tick(kSecond, story.book());
  writer.tick(3 * kSecond, story.book());
  writer.end(4 * kSecond, story.book());
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("RANKPOOL_TRACE: the trace ends here: "));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1);
}

TEST_F(TraceWriterTest, a_folder_that_is_not_there_is_an_error) {
  EXPECT_THROW(TraceWriter(folder / "nowhere" / "run.json", 0), std::system_error);
}

TEST_F(TraceWriterTest, shows_memory_where_it_has_changed_and_peaks_at_once) {
  const std::string path = (folder / "run.json").string();
  Story story;
  TraceWriter writer(path, 0);
  story.listen(writer);
  story.rank(0, "n0", true);
  story.rank(2, "n2", false);
  story.worker(7, 2);
  story.worker(8, 0);
  constexpr std::uint64_t mib = 1U << 20U;
  story.memory(7, 100 * mib, 120 * mib, kSecond);
  story.memory(7, 102 * mib, 121 * mib, 2 * kSecond);                     // a little more
  story.memory(7, 50 * mib, 300 * mib, 3 * kSecond);                      // less, after much more
  story.memory(7, 90 * mib, 300 * mib, 3 * kSecond + 10 * kMillisecond);  // so soon that it waits for the end
  story.memory(8, 10 * mib, 5 * mib, 4 * kSecond);                        // what it says is no peak
  story.memory(9, 10 * mib, 10 * mib, 4 * kSecond);                       // of nobody
  story.gone(7, false, 5 * kSecond);
  story.memory(8, 20 * mib, 20 * mib, 4 * kSecond + 10 * kMillisecond);
  writer.end(6 * kSecond, story.book());
  const std::string text = read(path);
  const auto counters = [&](const std::string& name) {
    std::string all;
    const std::string wanted = "{\"ph\":\"C\",\"name\":\"" + name + "\"";
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(wanted)) all += line.substr(wanted.size()) + "\n";
    }
    return all;
  };
  EXPECT_EQ(counters("resident memory of worker 7"),
            ",\"cat\":\"resident\",\"pid\":3,\"tid\":100007,\"ts\":1000000.000,\"args\":{\"value\":104857600}},\n"
            ",\"cat\":\"resident\",\"pid\":3,\"tid\":100007,\"ts\":3000000.000,\"args\":{\"value\":52428800}},\n"
            ",\"cat\":\"resident\",\"pid\":3,\"tid\":100007,\"ts\":5000000.000,\"args\":{\"value\":94371840}},\n");
  EXPECT_EQ(counters("peak memory of worker 7"),
            ",\"cat\":\"peak\",\"pid\":3,\"tid\":100007,\"ts\":1000000.000,\"args\":{\"value\":125829120}},\n"
            ",\"cat\":\"peak\",\"pid\":3,\"tid\":100007,\"ts\":3000000.000,\"args\":{\"value\":314572800}},\n");
  EXPECT_THAT(counters("peak memory of worker 8"), HasSubstr("\"ts\":4000000.000,\"args\":{\"value\":10485760}"));
  EXPECT_THAT(counters("resident memory of worker 8"), HasSubstr("\"ts\":6000000.000,\"args\":{\"value\":20971520}"));
  EXPECT_THAT(text, testing::Not(HasSubstr("worker 9")));
}

TEST_F(TraceWriterTest, shows_all_ranks_of_a_task_of_several) {
  const std::string path = (folder / "run.json").string();
  Story story;
  TraceWriter writer(path, 0);
  story.listen(writer);
  story.rank(0, "n0", true);
  for (const std::uint32_t worker : {7U, 8U, 9U}) story.worker(worker, 0);
  story.work(3, "solve", 1);
  story.sent(7, 1, 3, 0, 1, 1'000);
  story.group_rank(What::group_rank_began, 8, 2'000, 1, 3, 0);
  story.group_rank(What::group_rank_began, 9, 3'000, 2, 3, 0);
  story.group_rank(What::group_rank_ended, 8, 9'500);
  story.gone(9, true, 10'000);  // without a word
  writer.end(11'000, story.book());
  const std::string text = read(path);
  EXPECT_THAT(text, HasSubstr(R"({"ph":"X","name":"solve","cat":"rank","pid":1,"tid":)" +
                              std::to_string(TraceWriter::kFirstTid + 8) +
                              R"(,"dur":7.500,"ts":2.000,"args":{"number":0,"rank":1}})"));
  EXPECT_THAT(text, HasSubstr(R"("dur":7.000,"ts":3.000,"args":{"number":0,"rank":2}})"));
}

}  // namespace
}  // namespace rankpool::watch
