#include "watch/event_ring.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>

namespace rankpool::watch {
namespace {

Event event_of(std::uint64_t work) {
  Event event;
  event.what = What::work_submitted;
  event.work = work;
  return event;
}

TEST(EventRing, gives_events_in_their_order_with_the_words_behind_them) {
  EventRing ring(1024);
  std::vector<std::uint64_t> words(5);
  std::iota(words.begin(), words.end(), 7U);
  Event times;
  times.what = What::item_times;
  times.count = 4;
  ring.append(event_of(1));
  ring.append(times, words);
  ring.append(event_of(2));
  std::vector<std::uint64_t> works;
  std::vector<std::uint64_t> read;
  EXPECT_EQ(ring.read([&](const Event& event, std::span<const std::uint64_t> behind) {
    works.push_back(event.work);
    read.insert(read.end(), behind.begin(), behind.end());
  }),
            3U);
  EXPECT_EQ(works, (std::vector<std::uint64_t>{1, 0, 2}));
  EXPECT_EQ(read, words);
  EXPECT_TRUE(ring.empty());
}

TEST(EventRing, loses_nothing_while_writer_and_reader_run_at_once) {
  EventRing ring(256);  // wraps many times, within events too
  constexpr std::uint64_t events = 200'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < events; ++i) ring.append(event_of(i));
  });
  std::uint64_t next = 0;
  bool in_order = true;
  while (next < events) {
    ring.read([&](const Event& event, auto) { in_order = in_order && event.work == next++; });
    ring.sleep(EventRing::Until::event, kMillisecond);
  }
  writer.join();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(ring.dropped(), 0U);
}

TEST(EventRing, drops_and_counts_when_nobody_reads_for_a_second) {
  EventRing ring(64);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) ring.append(event_of(1));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GT(took, std::chrono::milliseconds(900));
  EXPECT_LT(took, std::chrono::seconds(10));
  EXPECT_EQ(ring.dropped(), 100U - 64U / (sizeof(Event) / 8));
  // Once somebody reads again, so is it written again.
  ring.read([](const Event&, auto) {});
  ring.append(event_of(2));
  EXPECT_EQ(ring.read([](const Event& event, auto) { EXPECT_EQ(event.work, 2U); }), 1U);
}

TEST(EventRing, an_interrupt_before_the_sleep_ends_it) {
  EventRing ring(64);
  ring.interrupt();
  const auto begin = std::chrono::steady_clock::now();
  ring.sleep(EventRing::Until::event, 20 * kSecond);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(EventRing, an_event_wakes_who_sleeps_until_one) {
  EventRing ring(64);
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ring.append(event_of(1));
  });
  const auto begin = std::chrono::steady_clock::now();
  ring.sleep(EventRing::Until::event, 20 * kSecond);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  writer.join();
}

}  // namespace
}  // namespace rankpool::watch
