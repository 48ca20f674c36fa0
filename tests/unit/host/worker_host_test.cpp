#include "unit/host/hosted.hpp"

#include <array>

namespace rankpool::host {

namespace {

using Hosts = Hosted;

TEST_F(Hosts, started_worker_is_told_with_its_pid) {
  keep([](Channel, RankPage*, int) { sleep_for_ever(); });
  const pid_t pid = start(3);
  EXPECT_EQ(children_of(keeper->pid()), std::vector{pid});
  EXPECT_EQ(host->alive(), 1);
}

TEST_F(Hosts, all_that_was_published_comes_before_the_death_though_the_host_looked_away) {
  keep([](Channel channel, RankPage*, int) {
    const auto bytes = pattern(Channel::kRing);
    std::memcpy(channel.out(0), bytes.data(), bytes.size());
    channel.control().out_tail.value = bytes.size();
    ::raise(SIGKILL);
  });
  host->start(WorkerId{1});
  ASSERT_TRUE(until([&] { return page->keeper_events == 2; }));
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(notes.ended[1].bytes_before, Channel::kRing);
  EXPECT_TRUE(notes.output[1] == pattern(Channel::kRing));
  EXPECT_EQ(host->alive(), 0);
}

TEST_F(Hosts, dead_worker_is_drained_beyond_the_limit_of_one_poll) {
  keep([](Channel channel, RankPage*, int) {
    channel.control().out_tail.value = 5000;
    ::_exit(3);
  });
  host->start(WorkerId{1});
  while (!notes.ended.contains(1)) {
    host->poll(notes, 10);
    sleep_until_something(1);
  }
  EXPECT_EQ(notes.ended[1].bytes_before, 5000U);
  EXPECT_EQ(WEXITSTATUS(notes.ended[1].end.wait_status), 3);
}

TEST_F(Hosts, what_does_not_fit_the_ring_is_kept_until_there_is_room) {
  keep([](Channel channel, RankPage*, int) {
    while (channel.control().in_tail.value < Channel::kRing) ::usleep(1000);
    // All taken, and seen by a poll of the host.
    channel.control().in_head.value = Channel::kRing;
    while (channel.control().in_tail.value < 2 * Channel::kRing) ::usleep(1000);
    std::memcpy(channel.out(0), channel.in(0), Channel::kRing);
    channel.control().out_tail.value = Channel::kRing;
    sleep_for_ever();
  });
  start(1);
  const auto bytes = pattern(2 * Channel::kRing);
  // Bytes given without an owner need not outlive the call.
  for (std::size_t at = 0; at < bytes.size(); at += 10'000) {
    const std::vector part(bytes.begin() + static_cast<long>(at),
                           bytes.begin() + static_cast<long>(std::min(at + 10'000, bytes.size())));
    host->write(WorkerId{1}, part);
  }
  EXPECT_TRUE(host->has_backlog());
  host->flush(WorkerId{1});
  ASSERT_TRUE(polled_until([&] { return notes.output[1].size() == Channel::kRing; }));
  EXPECT_TRUE(std::equal(notes.output[1].begin(), notes.output[1].end(), bytes.begin() + Channel::kRing));
  EXPECT_FALSE(host->has_backlog());
}

TEST_F(Hosts, worker_sleeps_on_until_its_bell_is_rung) {
  keep([](Channel channel, RankPage*, int) {
    auto& control = channel.control();
    const std::uint32_t seen = control.wakeup.load();
    control.worker_sleeping = static_cast<std::uint32_t>(Channel::SleepsFor::input);
    control.out_tail.value = 1;
    channel.wait_for_wakeup(seen);
    ::_exit(control.in_tail.value == 4 && control.worker_sleeping == 0 ? 0 : 1);
  });
  const pid_t pid = start(1);
  ASSERT_TRUE(polled_until([&] { return notes.output[1].size() == 1; }));
  ASSERT_TRUE(until([&] { return state_of(pid) == 'S'; }));
  host->write(WorkerId{1}, pattern(4));
  const channel::FutexWake wakeup = host->show(WorkerId{1});
  EXPECT_EQ(state_of(pid), 'S');
  wakeup.ring();
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(WEXITSTATUS(notes.ended[1].end.wait_status), 0);
}

TEST_F(Hosts, bell_of_a_worker_that_is_gone_is_rung_in_vain) {
  keep([](Channel channel, RankPage*, int) {
    channel.control().worker_sleeping = static_cast<std::uint32_t>(Channel::SleepsFor::input);
    channel.control().out_tail.value = 1;
    while (channel.control().wakeup == 0) ::usleep(1000);
    ::_exit(3);
  });
  start(1);
  ASSERT_TRUE(polled_until([&] { return notes.output[1].size() == 1; }));
  host->write(WorkerId{1}, pattern(1));
  const channel::FutexWake wakeup = host->show(WorkerId{1});
  ASSERT_TRUE(has_ended(1));  // and its channel is unmapped
  wakeup.ring();
  EXPECT_EQ(host->alive(), 0);
}

TEST_F(Hosts, killed_workers_backlog_is_freed_at_once) {
  keep([](Channel, RankPage*, int) { sleep_for_ever(); });
  start(1);
  const auto owner = std::make_shared<std::vector<std::byte>>(2 * Channel::kRing);
  host->write(WorkerId{1}, *owner, owner);
  EXPECT_EQ(owner.use_count(), 2);
  host->kill(WorkerId{1}, SIGKILL);
  EXPECT_EQ(owner.use_count(), 1);
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(notes.ended[1].end.wait_status, SIGKILL);
}

TEST_F(Hosts, what_is_meant_for_a_worker_that_is_gone_is_ignored) {
  keep([](Channel, RankPage*, int) { ::_exit(0); });
  host->start(WorkerId{1});
  ASSERT_TRUE(has_ended(1));
  const auto bytes = pattern(10);
  host->write(WorkerId{1}, bytes);
  host->write(WorkerId{1}, bytes, nullptr);
  host->flush(WorkerId{1});
  host->kill(WorkerId{1}, SIGKILL);
  host->kill(WorkerId{99}, SIGKILL);
  EXPECT_FALSE(host->has_backlog());
}

TEST_F(Hosts, keeper_that_is_killed_is_told_once_and_nobody_can_be_started) {
  keep([](Channel, RankPage*, int) { sleep_for_ever(); });
  const pid_t pid = start(1);
  ::kill(keeper->pid(), SIGKILL);
  ASSERT_TRUE(polled_until([&] { return notes.times_keeper_lost > 0; }, 2s));
  EXPECT_TRUE(until([&] { return is_gone(pid); }, 2s));
  host->start(WorkerId{2});
  ASSERT_TRUE(polled_until([&] { return notes.failed.contains(2); }));
  EXPECT_EQ(notes.failed[2], "the keeper is gone");
  for (int i = 0; i < 5; ++i) {
    sleep_until_something(1);
    host->poll(notes);
  }
  EXPECT_EQ(notes.times_keeper_lost, 1);
}

TEST_F(Hosts, thousand_workers_at_once_need_no_descriptor_of_their_own) {
  keep([](Channel, RankPage*, int) { ::_exit(0); });
  const long before = descriptors_of(::getpid());
  for (std::uint32_t worker = 0; worker < 1000; ++worker) host->start(WorkerId{worker});
  EXPECT_EQ(descriptors_of(::getpid()), before);
  ASSERT_TRUE(polled_until([&] { return notes.ended.size() == 1000; }, 30s));
  EXPECT_TRUE(notes.failed.empty());
  EXPECT_EQ(host->alive(), 0);
}

/// What a worker that has gone mad writes over its control block.
struct Corruption {
  const char* name;
  void (*write)(Channel::Control&);
};

class RogueWorkers : public Hosted, public testing::WithParamInterface<Corruption> {};

TEST_P(RogueWorkers, are_killed_and_nothing_of_theirs_is_believed) {
  keep([](Channel channel, RankPage*, int) {
    while (channel.control().in_tail.value == 0) ::usleep(1000);
    GetParam().write(channel.control());
    sleep_for_ever();
  });
  start(1);
  const auto bytes = pattern(Channel::kRing + 100);
  const std::span all(bytes);
  host->write(WorkerId{1}, all.first(100));
  host->flush(WorkerId{1});
  host->write(WorkerId{1}, all.subspan(100));
  ASSERT_TRUE(has_ended(1));
  EXPECT_EQ(notes.ended[1].end.wait_status, SIGKILL);
  EXPECT_TRUE(notes.output[1].empty());
}

INSTANTIATE_TEST_SUITE_P(
    With, RogueWorkers,
    testing::Values(
        Corruption{"TailBeyondCapacity", [](auto& control) { control.out_tail.value = Channel::kRing + 1; }},
        Corruption{"TailAtTheEndOfNumbers", [](auto& control) { control.out_tail.value = UINT64_MAX; }},
        Corruption{"HeadBeyondTail", [](auto& control) { control.in_head.value = UINT64_MAX - 5; }},
        Corruption{"HeadJustBeyondTail", [](auto& control) { control.in_head.value = 2 * Channel::kRing; }}),
    [](const testing::TestParamInfo<Corruption>& what) { return std::string(what.param.name); });

class RogueDeaths : public Hosted, public testing::WithParamInterface<Corruption> {};

TEST_P(RogueDeaths, salvage_nothing) {
  keep([](Channel channel, RankPage*, int) {
    auto& control = channel.control();
    control.open_begin = 0;
    control.open_base = 0;
    control.open_element = 8;
    control.progress = 2 * 10;
    GetParam().write(control);
    ::raise(SIGKILL);
  });
  host->start(WorkerId{1});
  ASSERT_TRUE(has_ended(1));
  EXPECT_TRUE(notes.output[1].empty());
}

INSTANTIATE_TEST_SUITE_P(
    With, RogueDeaths,
    testing::Values(Corruption{"MoreItemsThanFit", [](auto& control) { control.progress = UINT64_MAX; }},
                    Corruption{"LargerItemsThanFit", [](auto& control) { control.open_element = UINT64_MAX / 4; }},
                    Corruption{"ProductThatOverflows",
                               [](auto& control) {
                                 control.open_element = std::uint64_t{1} << 32U;
                                 control.progress = std::uint64_t{1} << 33U;
                               }},
                    Corruption{"ItemsOfNoSize", [](auto& control) { control.open_element = 0; }},
                    Corruption{"FewerItemsThanAtItsBeginning", [](auto& control) { control.open_base = 11; }},
                    Corruption{"FrameThatBeginsElsewhere", [](auto& control) { control.open_begin = 4096; }}),
    [](const testing::TestParamInfo<Corruption>& what) { return std::string(what.param.name); });

TEST_F(Hosts, open_frame_of_a_dead_worker_is_salvaged) {
  keep([](Channel channel, RankPage*, int) {
    auto& control = channel.control();
    const auto results = pattern(80);
    std::memcpy(channel.out(0) + sizeof(wire::FrameHeader), results.data(), results.size());
    control.open_begin = 0;
    control.open_base = 5;
    control.open_element = 8;
    control.open_chunk = 77;
    control.open_first = 2;
    control.progress = 2 * (5 + 10) + 1;
    ::raise(SIGKILL);
  });
  host->start(WorkerId{1});
  ASSERT_TRUE(has_ended(1));
  const auto frames = notes.frames(1);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].header.kind, wire::FrameKind::values);
  EXPECT_EQ(frames[0].header.count, 10U);
  EXPECT_EQ(frames[0].header.number, 77U);
  EXPECT_EQ(frames[0].header.first, 2U);
  EXPECT_TRUE(frames[0].payload == pattern(80));
  EXPECT_TRUE(notes.ended[1].end.inside_item);
}

}  // namespace
}  // namespace rankpool::host
