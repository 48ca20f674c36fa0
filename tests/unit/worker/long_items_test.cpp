#include "unit/worker/workers.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>

// Items that take long, and those that were finished before them: what a host finds without being told.
namespace rankpool::worker {
namespace {

/// A chunk of ints whose long item, the one below zero, ends when a file appears.
class LongItems : public Workers {
 protected:
  void TearDown() override {
    ::unlink(gate.c_str());
    Workers::TearDown();
  }
  void send(const std::vector<int>& items) {
    detail::Bytes payload(std::as_bytes(std::span("w", 1)));
    payload.append(gate.data(), gate.size());
    const auto bytes = std::as_bytes(std::span(items));
    payload.append(bytes.data(), bytes.size());
    wire::ChunkHeader header;
    header.items = static_cast<std::uint32_t>(items.size());
    header.head = 1 + gate.size();
    write(header.frame(payload.size()), payload);
    host->flush(WorkerId{1});
  }
  void open_gate() const { std::ofstream{gate}; }
  /// Polls and harvests until so many results are there.
  bool harvested(std::size_t count) {
    return polled_until([&] {
      host->collect_unpublished(notes, std::chrono::steady_clock::now());
      return results().size() >= count;
    });
  }
  std::vector<int> results() {
    std::vector<int> all;
    for (const auto& frame : notes.frames(1)) {
      if (frame.header.kind != wire::FrameKind::values) continue;
      EXPECT_EQ(frame.header.first, all.size());
      EXPECT_EQ(frame.payload.size(), frame.header.count * sizeof(int));
      all.resize(all.size() + frame.header.count);
      if (!frame.payload.empty())
        std::memcpy(&*all.end() - frame.header.count, frame.payload.data(), frame.payload.size());
    }
    return all;
  }
  const std::string gate = "/tmp/rankpool-gate-" + std::to_string(::getpid());
};

TEST_F(LongItems, do_not_keep_back_what_was_finished_before) {
  send({1, 2, 3, -4, 5, 6});
  ASSERT_TRUE(harvested(3));
  EXPECT_EQ(results(), (std::vector<int>{1, 4, 9}));
  EXPECT_TRUE(host->next_look());
  open_gate();
  ASSERT_TRUE(harvested(6));
  EXPECT_EQ(results(), (std::vector<int>{1, 4, 9, 16, 25, 36}));
}

TEST_F(LongItems, that_kill_lose_nothing_of_what_was_harvested_and_give_nothing_twice) {
  send({1, 2, -3, 4});
  ASSERT_TRUE(harvested(2));
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(results(), (std::vector<int>{1, 4}));
  EXPECT_TRUE(notes.ended[1].end.inside_item);
}

TEST_F(LongItems, are_looked_for_seldom_when_nothing_comes) {
  send({1, -2});
  ASSERT_TRUE(harvested(1));
  host->collect_unpublished(notes, std::chrono::steady_clock::now());
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  int looks = 0;
  while (now < begin + 10s) {  // of a clock that does not wait
    ASSERT_TRUE(host->next_look());
    now = std::max(now, *host->next_look());
    EXPECT_FALSE(host->collect_unpublished(notes, now));
    ++looks;
  }
  EXPECT_LT(looks, 200);
  open_gate();
  EXPECT_TRUE(polled_until([&] { return !host->next_look(); })) << "a worker at rest is looked at";
}

TEST_F(LongItems, are_not_looked_for_long_when_they_follow_a_short_chunk) {
  const auto sleeps_with_an_end = [&] {
    (void)host->prepare_sleep();
    const bool looks = host->next_look().has_value();
    host->awake(false, false);
    return looks;
  };
  const auto ended = [&](long count) {
    return polled_until([&] {
      const auto all = notes.frames(1);
      return std::ranges::count(all, wire::FrameFlag::last, [](const auto& one) { return one.header.flags; }) == count;
    });
  };
  bool looks = false;
  for (int round = 0; round < 200 && !looks; ++round) {  // a busy machine may make the short one long
    ::unlink(gate.c_str());
    notes.output.clear();
    send_chunk('m', {}, 1);
    ASSERT_TRUE(ended(1));
    send({-1});
    send({-2});
    for (const auto until = Clock::now() + 2ms; !looks && Clock::now() < until;) looks = sleeps_with_an_end();
    ASSERT_TRUE(polled_until([&] { return !sleeps_with_an_end(); })) << "a long one is looked at for ever";
    open_gate();
    ASSERT_TRUE(ended(3));
  }
  EXPECT_TRUE(looks) << "nobody would see the end of a short chunk";
}

}  // namespace
}  // namespace rankpool::worker
