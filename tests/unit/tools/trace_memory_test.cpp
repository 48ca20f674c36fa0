#include "tools/trace/trace_memory.hpp"

#include "tools/trace/trace_chart.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace rankpool::tools {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;

/// A trace as a file has it, read.
class TraceMemory : public testing::Test {
 protected:
  TraceData read() const {
    const auto path =
        std::filesystem::temp_directory_path() / ("rankpool_trace_memory." + std::to_string(::getpid()) + ".json");
    std::ofstream(path) << "[\n"
                        << lines_
                        << R"({"ph":"M","name":"rankpool_end","pid":1,"tid":0,"args":{"ts":1600,"complete":true}}])";
    TraceData trace = read_trace(path);
    std::filesystem::remove(path);
    return trace;
  }
  void rank(int rank, const std::string& host) {
    lines_ += R"({"ph":"M","name":"rankpool_rank","pid":)" + std::to_string(rank + 1) + R"(,"tid":0,"args":{"host":")" +
              host + "\"}},\n";
  }
  void worker(int id, int rank) {
    lines_ += R"({"ph":"M","name":"rankpool_worker")" + place(id, rank) + R"(,"args":{"pid":)" +
              std::to_string(700 + id) + ",\"started\":0}},\n";
  }
  void task(int id, int rank, int begin, int length) {
    lines_ += R"({"ph":"X","name":"fit","cat":"done")" + place(id, rank) + ",\"dur\":" + std::to_string(length) +
              ",\"ts\":" + std::to_string(begin) + R"(,"args":{"number":0,"attempt":1}},)" + "\n";
  }
  void counter(const std::string& what, int id, int rank, int when, const std::string& value) {
    lines_ += R"({"ph":"C","name":"memory","cat":")" + what + '"' + place(id, rank) +
              ",\"ts\":" + std::to_string(when) + R"(,"args":{"value":)" + value + "}},\n";
  }
  void gone(int id, int rank, int when) {
    lines_ += R"({"ph":"i","s":"t","name":"worker ended","cat":"end")" + place(id, rank) +
              ",\"ts\":" + std::to_string(when) + ",\"args\":{}},\n";
  }
  /// Of the bin in which that microsecond of the 1600 is.
  static std::size_t bin(int when) { return static_cast<std::size_t>(when / 10); }

 private:
  static std::string place(int id, int rank) {
    return ",\"pid\":" + std::to_string(rank + 1) + ",\"tid\":" + std::to_string(100'000 + id);
  }
  std::string lines_;
};

TEST_F(TraceMemory, of_a_trace_that_says_nothing_of_it_is_not_shown) {
  rank(0, "n0");
  worker(0, 0);
  task(0, 0, 100, 200);
  counter("busy", 0, 0, 100, "5");
  const TraceData trace = read();
  EXPECT_EQ(memory_line(trace), "");
  EXPECT_EQ(memory_charts(trace), "");
  const std::string page = page_of(trace, "run");
  EXPECT_THAT(page, Not(HasSubstr("emory, by")));
  EXPECT_THAT(page, Not(HasSubstr("@MEMORY@")));
}

TEST_F(TraceMemory, is_that_of_all_workers_of_a_node_and_ends_with_them) {
  rank(0, "n0");
  rank(1, "n1");
  worker(0, 0);
  worker(1, 0);
  worker(2, 1);
  task(0, 0, 100, 100);
  task(1, 0, 400, 100);
  counter("resident", 0, 0, 205, "1000");
  counter("resident", 1, 0, 505, "500");
  counter("resident", 2, 1, 15, "100");
  gone(0, 0, 1005);
  const auto nodes = memory_of_nodes(read());
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(nodes[0].host, "n0");
  EXPECT_EQ(nodes[0].bytes.size(), kChartBins);
  EXPECT_EQ(nodes[0].bytes[bin(95)], 0);
  EXPECT_EQ(nodes[0].bytes[bin(105)], 1000) << "from the begin of its task on";
  EXPECT_EQ(nodes[0].bytes[bin(300)], 1000);
  EXPECT_EQ(nodes[0].bytes[bin(405)], 1500);
  EXPECT_EQ(nodes[0].bytes[bin(1020)], 500) << "one worker is no more";
  EXPECT_EQ(nodes[0].bytes[bin(1595)], 500);
  EXPECT_EQ(nodes[0].largest, 1500);
  EXPECT_EQ(nodes[1].host, "n1");
  EXPECT_EQ(nodes[1].bytes[bin(800)], 100);
}

TEST_F(TraceMemory, had_its_peak_during_the_task_at_whose_end_it_was_told) {
  rank(0, "n0");
  worker(0, 0);
  task(0, 0, 100, 100);
  counter("peak", 0, 0, 205, "1000");
  counter("resident", 0, 0, 205, "1000");
  task(0, 0, 800, 200);
  counter("peak", 0, 0, 1005, "9000");
  counter("resident", 0, 0, 1005, "2000");
  const auto node = memory_of_nodes(read()).at(0);
  EXPECT_EQ(node.bytes[bin(795)], 1000);
  EXPECT_EQ(node.bytes[bin(805)], 9000);
  EXPECT_EQ(node.bytes[bin(995)], 9000);
  EXPECT_EQ(node.bytes[bin(1025)], 2000);
}

TEST_F(TraceMemory, line_and_charts_name_the_worker_with_the_most) {
  rank(0, "n<0>");
  rank(1, "n1");
  worker(4, 1);
  worker(3, 0);
  task(3, 0, 10, 10);
  counter("peak", 4, 1, 100, "210400000");
  counter("resident", 4, 1, 100, "150000000");
  counter("resident", 3, 0, 100, "50000000");
  const TraceData trace = read();
  EXPECT_EQ(memory_line(trace), "memory    210 MB at most, on worker 4 (rank 1 on n1, pid 704)\n");
  EXPECT_THAT(largest_memory(trace), testing::ElementsAre(210'400'000U, 50'000'000U));
  const std::string page = page_of(trace, "run");
  EXPECT_THAT(page, HasSubstr("memory    210 MB at most"));
  EXPECT_THAT(page, HasSubstr("</i>n1: 210 MB at most</span>"));
  EXPECT_THAT(page, HasSubstr("</i>n&lt;0&gt;: 50 MB at most</span>"));
  EXPECT_THAT(page, HasSubstr("<svg id=\"memory\""));
  EXPECT_THAT(page, HasSubstr("<svg id=\"worker-memory\""));
  EXPECT_THAT(page, HasSubstr(R"("memory":"210 MB")"));
}

TEST_F(TraceMemory, of_many_nodes_the_largest_have_a_colour_and_the_rest_are_one) {
  for (int i = 0; i < 20; ++i) {
    rank(i, "n" + std::to_string(i));
    worker(i, i);
    counter("resident", i, i, 100, std::to_string(1'000'000 * (i + 1)));
  }
  const std::string charts = memory_charts(read());
  EXPECT_THAT(charts, HasSubstr("</i>n13: 14 MB at most</span>"));
  EXPECT_THAT(charts, Not(HasSubstr("</i>n12: ")));
  EXPECT_THAT(charts, HasSubstr("</i>13 others: 91 MB at most</span>"));
  EXPECT_THAT(charts, HasSubstr(">210 MB</text>")) << "all of them together";
}

TEST_F(TraceMemory, that_is_nonsense_is_none_or_stays_within_the_page) {
  rank(0, "n0");
  counter("resident", 0, 0, 100, "-5");
  counter("resident", 0, 0, 200, "1e300");
  counter("peak", 1, 7, 2'000'000'000, "900000000000000000");
  counter("peak", -200000, 7, 5, "1.5");
  counter("resident", 1, 7, 300, "true");
  const TraceData trace = read();
  EXPECT_EQ(trace.memory.size(), 5U);
  for (const auto& node : memory_of_nodes(trace)) EXPECT_THAT(node.bytes, Each(testing::Le(1e18)));
  EXPECT_THAT(page_of(trace, "run"), HasSubstr("<svg id=\"memory\""));
}

}  // namespace
}  // namespace rankpool::tools
