#include "unit/process/hosted.hpp"

#include <unistd.h>
#include <array>
#include <chrono>
#include <numeric>

// The worker's loop, driven through its channel by a host: what goes in, what comes out, and what is left of it when
// the worker dies.
namespace rankpool::process {
namespace {

detail::Bytes all_of(detail::Input& input) {
  detail::Bytes bytes(input.left());
  input.read(bytes.data(), bytes.size());
  return bytes;
}
/// Gives its items back as one encoded result.
void echo(detail::TaskContext& context) {
  context.begin_item();
  context.end_with_encoded(all_of(context.input()));
}
/// Each item is an int; its square is the result.
void square(detail::TaskContext& context) {
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    int value = 0;
    context.input().read(&value, sizeof value);
    context.begin_item();
    value *= value;
    context.end_with_value(&value, sizeof value);
  }
}
/// Each takes longer than results are held back where the chunk says nothing.
void one_each_millisecond(detail::TaskContext& context) {
  const int one = 1;
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    context.begin_item();
    ::usleep(1000);
    context.end_with_value(&one, sizeof one);
  }
}
/// Squares, but the last item ends the process, after what came before can have been published.
void square_and_die(detail::TaskContext& context) {
  const int one = 1;
  for (std::uint32_t i = 0; i + 1 < context.count(); ++i) {
    context.begin_item();
    context.end_with_value(&one, sizeof one);
  }
  context.begin_item();
  ::raise(SIGKILL);
}
/// Squares ints like `square`; a negative one waits for the file that its callable names.
void square_or_wait(detail::TaskContext& context) {
  const std::string gate(reinterpret_cast<const char*>(context.callable().data()), context.callable().size());
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    int value = 0;
    context.input().read(&value, sizeof value);
    context.begin_item();
    while (value < 0 && ::access(gate.c_str(), F_OK) != 0) ::usleep(1000);
    value *= value;
    context.end_with_value(&value, sizeof value);
  }
}
void die_between_items(detail::TaskContext& context) {
  context.begin_item();
  context.end_with_encoded(all_of(context.input()));
  ::raise(SIGKILL);
}
/// Reads its items one by one, `length:u64 bytes` each: the result of one is its length.
void measure(detail::TaskContext& context) {
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    std::uint64_t length = 0;
    context.input().read(&length, sizeof length);
    context.begin_item();
    const detail::Input::Part item(context.input(), static_cast<std::size_t>(length));
    context.end_with_value(&length, sizeof length);
  }
}
/// Gives the first half of its items back, without a look at the rest.
void first_half(detail::TaskContext& context) {
  context.begin_item();
  detail::Bytes half(context.input().left() / 2);
  context.input().read(half.data(), half.size());
  context.end_with_encoded(half.view().first(1), half.view().subspan(1));
}
void fail(detail::TaskContext&) { throw std::runtime_error("no"); }

const WorkerHooks kHooks{[](std::uint32_t, std::int32_t, std::string) {},
                         [](std::span<const std::byte> encoded) {
                           if (encoded[0] == std::byte{'!'}) throw std::runtime_error("initializer");
                         },
                         [](std::span<const std::byte> payload, std::span<const std::byte>& head) -> detail::Invoker {
                           head = payload.subspan(1);
                           switch (static_cast<char>(payload[0])) {
                             case 's':
                               return square;
                             case 'w':
                               return square_or_wait;
                             case 'm':
                               return one_each_millisecond;
                             case 'd':
                               return square_and_die;
                             case 'b':
                               return die_between_items;
                             case 'i':
                               return measure;
                             case 'h':
                               return first_half;
                             case 'f':
                               return fail;
                             case '?':
                               throw std::runtime_error("unknown");
                             default:
                               return echo;
                           }
                         },
                         [](const std::string&) {
                           try {
                             throw;
                           } catch (const std::exception& e) {
                             return detail::Bytes(std::as_bytes(std::span(e.what(), std::strlen(e.what()))));
                           }
                         }};

class Workers : public Hosted {
 protected:
  void SetUp() override {
    keep([](Channel channel, RankPage* shared, int wake) { worker_main(std::move(channel), shared, wake, kHooks); });
    pid = start(1);
  }
  void write(const wire::FrameHeader& header, std::span<const std::byte> payload) {
    host->write(WorkerId{1}, std::as_bytes(std::span(&header, 1)));
    host->write(WorkerId{1}, payload);
  }
  void send_chunk(char task, std::span<const std::byte> items, std::uint32_t count = 1,
                  std::chrono::nanoseconds hold_back = {}) {
    wire::FrameHeader header;
    header.first = static_cast<std::uint64_t>(hold_back.count());
    header.kind = wire::FrameKind::chunk;
    header.count = count;
    header.chunk = ++chunks;
    header.length = items.size() + 1;
    header.extra = 1;
    host->write(WorkerId{1}, std::as_bytes(std::span(&header, 1)));
    host->write(WorkerId{1}, std::as_bytes(std::span(&task, 1)));
    host->write(WorkerId{1}, items);
    host->flush(WorkerId{1});
  }
  /// Polls until the chunks sent so far are done; gives the frames.
  std::vector<Notes::Frame> answers() {
    EXPECT_TRUE(polled_until([&] {
      const auto all = notes.frames(1);
      return std::count_if(all.begin(), all.end(), [](const auto& frame) {
               return frame.header.flags == wire::FrameFlag::last;
             }) == static_cast<long>(chunks);
    }));
    return notes.frames(1);
  }
  void expect_echo(std::size_t size) {
    const auto items = pattern(size, static_cast<unsigned>(size));
    send_chunk('e', items);
    const auto frames = answers();
    ASSERT_EQ(frames.size(), 2U) << size;
    EXPECT_EQ(frames[0].header.kind, wire::FrameKind::value);
    EXPECT_TRUE(frames[0].payload == items) << size;
    notes.output.clear();
    chunks = 0;
  }

  pid_t pid = 0;
  std::uint64_t chunks = 0;
};

TEST_F(Workers, PayloadsOfEverySizeAroundTheCapacityOfTheRingComeBackWhole) {
  constexpr std::size_t kRing = Channel::kRing;
  for (const std::size_t around : {std::size_t{45}, kRing / 8, kRing / 2, kRing, 2 * kRing, 5 * kRing}) {
    for (std::size_t size = around - 45; size <= around + 3; ++size) expect_echo(size);
  }
}

TEST_F(Workers, ManySmallPayloadsWrapAroundAnywhere) {
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

TEST_F(Workers, LargePayloadIsNeitherCopiedNorLostWhileItWaits) {
  const auto items = std::make_shared<std::vector<std::byte>>(pattern(40 * Channel::kRing));
  wire::FrameHeader header;
  header.kind = wire::FrameKind::chunk;
  header.count = 1;
  header.length = items->size() + 1;
  header.extra = 1;
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

TEST_F(Workers, ItemsThatAreLongerThanTheRingAreReadAsTheyCome) {
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
    const auto count = frame.payload.size() / sizeof(std::uint64_t);
    results.resize(results.size() + count);
    if (count != 0) std::memcpy(&*results.end() - count, frame.payload.data(), frame.payload.size());
  }
  EXPECT_EQ(results, lengths);
}

TEST_F(Workers, WhatATaskLeavesOfALargeInputIsPassedOver) {
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

TEST_F(Workers, DeathInTheMiddleOfALargeInputIsToldAndNothingWaitsForIt) {
  send_chunk('d', pattern(20 * Channel::kRing), 1);
  ASSERT_TRUE(has_ended(1));
  EXPECT_TRUE(notes.ended[1].end.inside_item);
  EXPECT_FALSE(host->has_backlog());
  EXPECT_EQ(host->waiting(WorkerId{1}), 0U);
}

TEST_F(Workers, WhatWaitsForRoomIsCounted) {
  wire::FrameHeader header;
  header.kind = wire::FrameKind::chunk;
  header.length = 4 * Channel::kRing;
  write(header, pattern(3 * Channel::kRing));
  // The worker may have taken the header meanwhile, and what followed it.
  EXPECT_GT(host->waiting(WorkerId{1}), 0U);
  EXPECT_LE(host->waiting(WorkerId{1}), 2 * Channel::kRing + sizeof header);
  EXPECT_EQ(host->waiting(WorkerId{2}), 0U);
}

TEST_F(Workers, HalfAFrameIsWaitedFor) {
  wire::FrameHeader header;
  header.kind = wire::FrameKind::chunk;
  header.count = 1;
  header.length = 11;
  header.extra = 1;
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

TEST_F(Workers, WhatIsWrittenIsSeenOnlyAfterTheFlush) {
  EXPECT_TRUE(until([&] { return state_of(pid) == 'S'; }));
  wire::FrameHeader stop;
  stop.kind = wire::FrameKind::stop;
  host->write(WorkerId{1}, std::as_bytes(std::span(&stop, 1)));
  EXPECT_FALSE(polled_until([&] { return notes.ended.contains(1); }, 20ms));
  host->flush(WorkerId{1});
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(notes.ended[1].end.wait_status, 0);
}

TEST_F(Workers, SleepingHostIsWokenByAResultAndByADeath) {
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

TEST_F(Workers, OutputIsGivenOutInPortionsWhenAskedTo) {
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

TEST_F(Workers, ResultsOfFixedSizeComeInOrder) {
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

TEST_F(Workers, ResultsComeOneByOneUnlessTheChunkSaysThatTheyMayWait) {
  const auto with_results = [&] {
    const auto frames = answers();
    return std::count_if(frames.begin(), frames.end(), [](const auto& frame) { return frame.header.count > 0; });
  };
  send_chunk('m', {}, 5);
  EXPECT_EQ(with_results(), 5);
  notes.output.clear();
  chunks = 0;
  send_chunk('m', {}, 5, std::chrono::hours(1));
  EXPECT_EQ(with_results(), 1);
}

TEST_F(Workers, WhatWasFinishedComesBeforeTheDeath) {
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
    wire::FrameHeader header;
    header.kind = wire::FrameKind::chunk;
    header.count = static_cast<std::uint32_t>(items.size());
    header.extra = 1 + gate.size();
    header.length = payload.size();
    write(header, payload);
    host->flush(WorkerId{1});
  }
  void open_gate() const { std::ofstream{gate}; }
  /// Polls and harvests until so many results are there.
  bool harvested(std::size_t count) {
    return polled_until([&] {
      host->harvest(notes, std::chrono::steady_clock::now());
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

TEST_F(LongItems, DoNotKeepBackWhatWasFinishedBefore) {
  send({1, 2, 3, -4, 5, 6});
  ASSERT_TRUE(harvested(3));
  EXPECT_EQ(results(), (std::vector<int>{1, 4, 9}));
  EXPECT_TRUE(host->next_look());
  open_gate();
  ASSERT_TRUE(harvested(6));
  EXPECT_EQ(results(), (std::vector<int>{1, 4, 9, 16, 25, 36}));
}

TEST_F(LongItems, ThatKillLoseNothingOfWhatWasHarvestedAndGiveNothingTwice) {
  send({1, 2, -3, 4});
  ASSERT_TRUE(harvested(2));
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(results(), (std::vector<int>{1, 4}));
  EXPECT_TRUE(notes.ended[1].end.inside_item);
}

TEST_F(LongItems, AreLookedForSeldomWhenNothingComes) {
  send({1, -2});
  ASSERT_TRUE(harvested(1));
  host->harvest(notes, std::chrono::steady_clock::now());
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  int looks = 0;
  while (now < begin + 10s) {  // of a clock that does not wait
    ASSERT_TRUE(host->next_look());
    now = std::max(now, *host->next_look());
    EXPECT_FALSE(host->harvest(notes, now));
    ++looks;
  }
  EXPECT_LT(looks, 200);
  open_gate();
  EXPECT_TRUE(polled_until([&] { return !host->next_look(); })) << "a worker at rest is looked at";
}

TEST_F(LongItems, AreNotLookedForLongWhenTheyFollowAShortChunk) {
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

TEST_F(Workers, DeathBetweenItemsIsBlamedOnNone) {
  send_chunk('b', pattern(5), 2);
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(notes.frames(1).size(), 1U);
  EXPECT_FALSE(notes.ended[1].end.inside_item);
}

TEST_F(Workers, WhatTheInvokerCannotDoFailsEachItem) {
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

TEST_F(Workers, InitializerAnswersReadyOrItsError) {
  for (const char sign : {'.', '!'}) {
    std::vector<std::byte> payload(13);
    payload[12] = static_cast<std::byte>(sign);
    wire::FrameHeader header;
    header.kind = wire::FrameKind::init;
    header.length = payload.size();
    write(header, payload);
    host->flush(WorkerId{1});
    ASSERT_TRUE(polled_until([&] { return !notes.frames(1).empty(); }));
    const auto frame = notes.frames(1)[0];
    EXPECT_EQ(frame.header.kind, sign == '.' ? wire::FrameKind::ready : wire::FrameKind::init_failed);
    EXPECT_EQ(frame.payload.size(), sign == '.' ? 0U : std::strlen("initializer"));
    notes.output.clear();
  }
}

TEST_F(Workers, FrameThatIsNoneEndsTheWorker) {
  const auto nonsense = pattern(200);
  host->write(WorkerId{1}, nonsense);
  host->flush(WorkerId{1});
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(WEXITSTATUS(notes.ended[1].end.wait_status), 70);
}

}  // namespace
}  // namespace rankpool::process
