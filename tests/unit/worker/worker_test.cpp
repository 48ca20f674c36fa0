#include "unit/worker/workers.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>

// The worker's loop, driven through its channel by a host: what goes in, what comes out, and what is left of it when
// the worker dies.
namespace rankpool::worker {

namespace {

TEST_F(Workers, payloads_of_every_size_around_the_capacity_of_the_ring_come_back_whole) {
  constexpr std::size_t kRing = Channel::kRing;
  for (const std::size_t around : {std::size_t{45}, kRing / 8, kRing / 2, kRing, 2 * kRing, 5 * kRing}) {
    for (std::size_t size = around - 45; size <= around + 3; ++size) expect_echo(size);
  }
}

TEST_F(Workers, many_small_payloads_wrap_around_anywhere) {
  for (std::size_t round = 0; round < 20; ++round) {
    for (std::size_t size = 0; size < 200; ++size) send_chunk('e', pattern(size * 37 % 5003, 9));
    const auto frames = answers();
    ASSERT_EQ(frames.size(), 400U);
    for (std::size_t size = 0; size < 200; ++size) {
      ASSERT_TRUE(frames[2 * size].payload == pattern(size * 37 % 5003, 9)) << size;
    }
    notes.output.clear();
    chunks = 0;
  }
}

TEST_F(Workers, large_payload_is_neither_copied_nor_lost_while_it_waits) {
  const auto items = std::make_shared<std::vector<std::byte>>(pattern(40 * Channel::kRing));
  const auto header = wire::ChunkHeader{.items = 1, .head = 1}.frame(items->size() + 1);
  host->write(WorkerId{1}, std::as_bytes(std::span(&header, 1)));
  const char task = 'e';
  host->write(WorkerId{1}, std::as_bytes(std::span(&task, 1)));
  host->write(WorkerId{1}, *items, items);
  host->flush(WorkerId{1});
  EXPECT_TRUE(host->has_backlog());
  EXPECT_EQ(items.use_count(), 2);
  chunks = 1;
  EXPECT_TRUE(answers()[0].payload == *items);
  EXPECT_FALSE(host->has_backlog());
  EXPECT_EQ(items.use_count(), 1);
}

TEST_F(Workers, items_that_are_longer_than_the_ring_are_read_as_they_come) {
  std::vector<std::byte> items;
  const std::vector<std::uint64_t> lengths{3, Channel::kRing + 5, 0, 3 * Channel::kRing, 1};
  for (const std::uint64_t length : lengths) {
    const auto number = std::as_bytes(std::span(&length, 1));
    items.insert(items.end(), number.begin(), number.end());
    items.resize(items.size() + static_cast<std::size_t>(length));
  }
  send_chunk('i', items, static_cast<std::uint32_t>(lengths.size()));
  std::vector<std::uint64_t> results;
  for (const auto& frame : answers()) {
    const auto before = results.size();
    results.resize(before + frame.payload.size() / sizeof(std::uint64_t));
    if (!frame.payload.empty()) std::memcpy(results.data() + before, frame.payload.data(), frame.payload.size());
  }
  EXPECT_EQ(results, lengths);
}

TEST_F(Workers, what_a_task_leaves_of_a_large_input_is_passed_over) {
  const auto items = pattern(5 * Channel::kRing);
  send_chunk('h', items);
  send_chunk('f', items);
  send_chunk('e', pattern(10));
  const auto frames = answers();
  ASSERT_EQ(frames.size(), 6U);
  EXPECT_TRUE(std::equal(frames[0].payload.begin(), frames[0].payload.end(), items.begin()));
  EXPECT_EQ(frames[0].payload.size(), items.size() / 2);
  EXPECT_EQ(frames[2].header.kind, wire::FrameKind::error);
  EXPECT_TRUE(frames[4].payload == pattern(10));
}

TEST_F(Workers, death_in_the_middle_of_a_large_input_is_told_and_nothing_waits_for_it) {
  send_chunk('d', pattern(20 * Channel::kRing), 1);
  ASSERT_TRUE(has_ended(1));
  EXPECT_TRUE(notes.ended[1].end.inside_item);
  EXPECT_FALSE(host->has_backlog());
  EXPECT_EQ(host->waiting(WorkerId{1}), 0U);
}

TEST_F(Workers, what_waits_for_room_is_counted) {
  const auto header = wire::ChunkHeader{.head = 1}.frame(4 * Channel::kRing);
  write(header, pattern(3 * Channel::kRing));
  // The worker may have taken the header meanwhile, and what followed it.
  EXPECT_GT(host->waiting(WorkerId{1}), 0U);
  EXPECT_LE(host->waiting(WorkerId{1}), 2 * Channel::kRing + sizeof header);
  EXPECT_EQ(host->waiting(WorkerId{2}), 0U);
}

TEST_F(Workers, half_a_frame_is_waited_for) {
  const auto header = wire::ChunkHeader{.items = 1, .head = 1}.frame(11);
  std::vector<std::byte> bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  for (const char c : std::string("e0123456789")) bytes.push_back(static_cast<std::byte>(c));
  for (const std::byte byte : bytes) {
    EXPECT_TRUE(notes.output[1].empty());
    host->write(WorkerId{1}, std::span(&byte, 1));
    host->flush(WorkerId{1});
    // It has gone to sleep over what there is.
    EXPECT_TRUE(until([&] { return state_of(pid) == 'S'; }));
    host->poll(notes);
  }
  chunks = 1;
  const auto frames = answers();
  EXPECT_EQ(std::memcmp(frames[0].payload.data(), "0123456789", 10), 0);
}

TEST_F(Workers, what_is_written_is_seen_only_after_the_flush) {
  EXPECT_TRUE(until([&] { return state_of(pid) == 'S'; }));
  const wire::FrameHeader stop(wire::FrameKind::stop);
  host->write(WorkerId{1}, std::as_bytes(std::span(&stop, 1)));
  EXPECT_FALSE(polled_until([&] { return notes.ended.contains(1); }, 20ms));
  host->flush(WorkerId{1});
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(notes.ended[1].end.wait_status, 0);
}

TEST_F(Workers, sleeping_host_is_woken_by_a_result_and_by_a_death) {
  EXPECT_TRUE(until([&] { return state_of(pid) == 'S'; }));
  for (int round = 0; round < 50; ++round) {
    send_chunk('e', pattern(100));
    const std::size_t before = notes.output[1].size();
    while (notes.output[1].size() == before) {
      ASSERT_TRUE(sleep_until_something(5000)) << "slept through a result";
      host->poll(notes);
    }
    answers();
  }
  ::kill(pid, SIGKILL);
  while (!notes.ended.contains(1)) {
    ASSERT_TRUE(sleep_until_something(5000)) << "slept through a death";
    host->poll(notes);
  }
}

TEST_F(Workers, output_is_given_out_in_portions_when_asked_to) {
  send_chunk('e', pattern(1000));
  ASSERT_TRUE(until([&] { return !host->prepare_sleep(); }));
  host->awake();
  std::size_t got = 0;
  while (got < 1000) {
    host->poll(notes, 7);
    EXPECT_LE(notes.output[1].size(), got + 7);
    got = notes.output[1].size();
  }
  answers();
}

TEST_F(Workers, results_of_fixed_size_come_in_order) {
  std::vector<int> items(30'000);
  std::iota(items.begin(), items.end(), 0);
  send_chunk('s', std::as_bytes(std::span(items)), 30'000);
  std::vector<int> results;
  for (const auto& frame : answers()) {
    if (frame.header.kind != wire::FrameKind::values) continue;
    EXPECT_EQ(frame.header.first, results.size());
    results.resize(results.size() + frame.header.count);
    std::memcpy(&*results.end() - frame.header.count, frame.payload.data(), frame.payload.size());
  }
  ASSERT_EQ(results.size(), items.size());
  for (int i = 0; i < 30'000; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)], i * i);
}

TEST_F(Workers, results_come_one_by_one_unless_the_chunk_says_that_they_may_wait) {
  const auto with_results = [&] {
    const auto frames = answers();
    return std::count_if(frames.begin(), frames.end(), [](const auto& frame) { return frame.header.count > 0; });
  };
  send_chunk('M', {}, 5);
  EXPECT_EQ(with_results(), 5);
  notes.output.clear();
  chunks = 0;
  send_chunk('M', {}, 5, std::chrono::hours(1));
  EXPECT_EQ(with_results(), 1);
}

TEST_F(Workers, what_was_finished_comes_before_the_death) {
  for (const std::uint32_t count : {1U, 2U, 50U, 1000U}) {
    const std::uint32_t worker = 1;
    if (notes.ended.contains(1)) {
      notes = {};
      pid = start(worker);
    }
    send_chunk('d', {}, count);
    ASSERT_TRUE(has_ended(1));
    std::uint64_t finished = 0;
    for (const auto& frame : notes.frames(1)) {
      EXPECT_EQ(frame.header.first, finished);
      EXPECT_EQ(frame.payload.size(), frame.header.count * sizeof(int));
      finished += frame.header.count;
    }
    EXPECT_EQ(finished, count - 1);
    EXPECT_EQ(notes.ended[1].end.wait_status, SIGKILL);
    EXPECT_EQ(notes.ended[1].end.pid, pid);
    EXPECT_TRUE(notes.ended[1].end.inside_item);
  }
}

TEST_F(Workers, death_between_items_is_blamed_on_none) {
  send_chunk('b', pattern(5), 2);
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(notes.frames(1).size(), 1U);
  EXPECT_FALSE(notes.ended[1].end.inside_item);
}

TEST_F(Workers, what_the_invoker_cannot_do_fails_each_item) {
  for (const char task : {'f', '?'}) {
    send_chunk(task, {}, 3);
    const auto frames = answers();
    ASSERT_EQ(frames.size(), 4U);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(frames[i].header.kind, wire::FrameKind::error);
      EXPECT_EQ(frames[i].header.first, i);
    }
    notes.output.clear();
    chunks = 0;
  }
}

TEST_F(Workers, initializer_answers_ready_or_its_error) {
  for (const char sign : {'.', '!'}) {
    std::vector<std::byte> payload(17);
    payload[16] = static_cast<std::byte>(sign);
    write(wire::FrameHeader(wire::FrameKind::init, payload.size()), payload);
    host->flush(WorkerId{1});
    ASSERT_TRUE(polled_until([&] { return !notes.frames(1).empty(); }));
    const auto frame = notes.frames(1)[0];
    EXPECT_EQ(frame.header.kind, sign == '.' ? wire::FrameKind::ready : wire::FrameKind::init_failed);
    EXPECT_EQ(frame.payload.size(), sign == '.' ? 0U : std::strlen("initializer"));
    notes.output.clear();
  }
}

TEST_F(Workers, tell_their_memory_where_the_chunk_asks_for_it) {
  const auto frames_of_chunk = [&](wire::FrameFlag flags) {
    const auto header = wire::ChunkHeader{.chunk = ++chunks, .items = 8, .flags = flags, .head = 1}.frame(1);
    const char task = 'M';
    write(header, std::as_bytes(std::span(&task, 1)));
    host->flush(WorkerId{1});
    const auto frames = answers();
    notes.output.clear();
    chunks = 0;
    return frames;
  };
  const auto is_memory = [](const auto& frame) { return frame.header.kind == wire::FrameKind::memory; };
  EXPECT_EQ(std::ranges::count_if(frames_of_chunk(wire::FrameFlag::none), is_memory), 0);
  EXPECT_EQ(std::ranges::count_if(frames_of_chunk(wire::FrameFlag::timed), is_memory), 0);
  const auto frames = frames_of_chunk(wire::FrameFlag::timed | wire::FrameFlag::memory);
  ASSERT_EQ(std::ranges::count_if(frames, is_memory), 1) << "and not more than once in 24 ms";
  const auto memory = wire::MemoryHeader::of(std::ranges::find_if(frames, is_memory)->header);
  EXPECT_GT(memory.resident, std::uint64_t{1} << 18U);
  EXPECT_GE(memory.peak, memory.resident);
  EXPECT_LT(memory.peak, std::uint64_t{1} << 40U);
}

TEST_F(Workers, frame_that_is_none_ends_the_worker) {
  const auto nonsense = pattern(200);
  host->write(WorkerId{1}, nonsense);
  host->flush(WorkerId{1});
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(WEXITSTATUS(notes.ended[1].end.wait_status), 70);
}

}  // namespace
}  // namespace rankpool::worker
