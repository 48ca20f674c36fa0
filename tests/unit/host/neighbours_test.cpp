// Workers whose channels rank 0's host has, while another rank's keeper is their parent.
#include "base/foreign_descriptor.hpp"
#include "unit/host/hosted.hpp"

#include <sys/resource.h>

namespace rankpool::host {
namespace {

/// Takes what comes in, one ring's worth at most, gives it back, and wakes its host.
void echo(Channel channel, RankPage* page, int wake) {
  auto& control = channel.control();
  while (true) {
    const std::uint64_t tail = control.in_tail.value.load();
    std::uint64_t head = control.in_head.value.load();
    for (; head < tail; ++head) *channel.out(head) = *channel.in(head);
    control.in_head.value.store(head);
    control.out_tail.value.store(head);
    if (page->host_sleeps.exchange(channel::HostSleeps::no) != channel::HostSleeps::no) (void)!::write(wake, "", 1);
    ::usleep(500);
  }
}

/// `host` is rank 0's, `neighbour` another rank's of the same node.
class Neighbours : public Hosted {
 protected:
  void SetUp() override {
    keep([](Channel, RankPage*, int) { sleep_for_ever(); });
    host->set_neighbours(1);
  }
  void TearDown() override {
    neighbour.reset();
    Hosted::TearDown();
  }
  void keep_neighbour(KeeperProcess::WorkerMain worker) {
    neighbours_keeper = std::make_unique<KeeperProcess>(std::move(worker));
    neighbour = std::make_unique<WorkerHost>(std::move(neighbours_keeper->link));
    const HostPlace place = host->place();
    const int wake = base::open_foreign_pipe(::getpid(), place.wake);
    EXPECT_TRUE(neighbour->set_root(place.page, wake));
    ::close(wake);
  }
  pid_t start_neighbours(std::uint32_t worker) {
    const auto fd = host->open_for_neighbour(WorkerId{worker});
    if (!fd) return -1;
    neighbour->start_for_root(WorkerId{worker}, Channel::open_foreign(::getpid(), *fd), base::WorkerOrigin::forked);
    EXPECT_TRUE(neighbour_told([&] { return told.started.contains(worker); }));
    host->neighbour_started(WorkerId{worker});
    return told.started[worker];
  }
  bool neighbour_told(const std::function<bool()>& holds) {
    return until([&] { return neighbour->poll(told), holds(); });
  }
  void write(std::uint32_t worker, const std::string& text) {
    host->write(WorkerId{worker}, std::as_bytes(std::span(text)));
    host->flush(WorkerId{worker});
  }
  std::string output_of(std::uint32_t worker) {
    const auto& bytes = notes.output[worker];
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::unique_ptr<KeeperProcess> neighbours_keeper;
  std::unique_ptr<WorkerHost> neighbour;
  Notes told;  ///< by the neighbour
};

TEST_F(Neighbours, bytes_go_straight_between_rank_0_and_a_worker_that_another_keeper_has_started) {
  keep_neighbour(echo);
  const pid_t pid = start_neighbours(5);
  EXPECT_EQ(children_of(neighbours_keeper->pid()), std::vector{pid});
  write(5, "there and back");
  EXPECT_TRUE(polled_until([&] { return output_of(5) == "there and back"; }));
  EXPECT_TRUE(told.output.empty());
}

TEST_F(Neighbours, such_a_worker_wakes_rank_0_and_not_its_own_rank) {
  keep_neighbour([](Channel channel, RankPage* shared, int wake) {
    while (shared->host_sleeps == channel::HostSleeps::no) ::usleep(500);
    channel.control().out_tail.value = 3;
    if (shared->host_sleeps.exchange(channel::HostSleeps::no) != channel::HostSleeps::no) (void)!::write(wake, "", 1);
    sleep_for_ever();
  });
  start_neighbours(5);
  ASSERT_TRUE(neighbour->prepare_sleep());
  EXPECT_TRUE(sleep_until_something(10'000));
  EXPECT_TRUE(host->poll(notes));
  EXPECT_EQ(notes.output[5].size(), 3U);
  pollfd none{neighbour->wake_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&none, 1, 0), 0);
}

TEST_F(Neighbours, what_such_a_worker_had_finished_comes_before_its_end) {
  keep_neighbour([](Channel channel, RankPage*, int) {
    channel.control().progress = 3;  // inside its second item
    channel.control().out_tail.value = 1000;
    ::raise(SIGSEGV);
  });
  const pid_t pid = start_neighbours(5);
  ASSERT_TRUE(neighbour_told([&] { return told.ended.contains(5); }));
  const WorkerEnd end = told.ended[5].end;
  EXPECT_EQ(end.pid, pid);
  host->neighbour_ended(WorkerId{5}, end.pid, end.wait_status, notes);
  ASSERT_TRUE(notes.ended.contains(5));
  EXPECT_EQ(notes.ended[5].bytes_before, 1000U);
  EXPECT_EQ(WTERMSIG(notes.ended[5].end.wait_status), SIGSEGV);
  EXPECT_TRUE(notes.ended[5].end.inside_item);
  EXPECT_EQ(host->alive(), 0);
}

TEST_F(Neighbours, what_workers_of_a_lost_rank_had_finished_is_given_out) {
  keep_neighbour([](Channel channel, RankPage*, int) {
    channel.control().out_tail.value = 1000;
    sleep_for_ever();
  });
  const pid_t pid = start_neighbours(5);
  ASSERT_TRUE(until([&] { return state_of(pid) == 'S'; }));
  neighbour.reset();
  EXPECT_TRUE(until([&] { return is_gone(pid); })) << "its keeper ends it";
  host->neighbour_lost(WorkerId{5}, notes);
  EXPECT_EQ(notes.output[5].size(), 1000U);
  EXPECT_FALSE(notes.ended.contains(5)) << "the loss of the rank tells it";
  EXPECT_EQ(host->alive(), 0);
}

TEST_F(Neighbours, a_worker_that_makes_no_sense_is_named_for_its_rank_to_kill) {
  keep_neighbour([](Channel channel, RankPage*, int) {
    channel.control().out_tail.value = UINT64_MAX;
    sleep_for_ever();
  });
  start_neighbours(5);
  std::vector<WorkerId> rogues;
  EXPECT_TRUE(polled_until([&] {
    for (const WorkerId one : host->take_rogue_neighbours()) rogues.push_back(one);
    return !rogues.empty();
  }));
  EXPECT_EQ(rogues, std::vector{WorkerId{5}});
  neighbour->kill(WorkerId{5}, SIGKILL);
  EXPECT_TRUE(neighbour_told([&] { return told.ended.contains(5); }));
}

TEST_F(Neighbours, a_stop_that_is_asked_for_is_seen_by_them) {
  keep_neighbour([](Channel channel, RankPage* shared, int) {
    while (shared->stop_requested == 0) ::usleep(500);
    channel.control().out_tail.value = 1;
    sleep_for_ever();
  });
  start_neighbours(5);
  host->tell_to_stop();
  EXPECT_TRUE(polled_until([&] { return notes.output[5].size() == 1; }));
}

TEST_F(Neighbours, each_costs_a_descriptor_only_until_it_has_started_and_few_are_open_at_once) {
  keep_neighbour([](Channel, RankPage*, int) { sleep_for_ever(); });
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const long open = descriptors_of(::getpid());
  start_neighbours(1);
  EXPECT_EQ(descriptors_of(::getpid()), open);
  const rlimit few{static_cast<rlim_t>(4 * 3), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &few);
  // With so few descriptors in all none can be had, or three at most: its rank makes the channel then.
  int made = 0;
  for (std::uint32_t worker = 2; worker < 10; ++worker) made += host->open_for_neighbour(WorkerId{worker}) ? 1 : 0;
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_LE(made, 3);
}

TEST_F(Neighbours, without_rank_0s_page_none_is_started) {
  neighbours_keeper = std::make_unique<KeeperProcess>([](Channel, RankPage*, int) { sleep_for_ever(); });
  neighbour = std::make_unique<WorkerHost>(std::move(neighbours_keeper->link));
  const auto fd = host->open_for_neighbour(WorkerId{5});
  ASSERT_TRUE(fd);
  neighbour->start_for_root(WorkerId{5}, Channel::open_foreign(::getpid(), *fd), base::WorkerOrigin::forked);
  EXPECT_TRUE(neighbour_told([&] { return told.failed.contains(5); }));
}

TEST_F(Neighbours, when_all_is_over_none_is_left_on_either_side) {
  keep_neighbour([](Channel, RankPage*, int) { sleep_for_ever(); });
  const pid_t pid = start_neighbours(5);
  host->end_all();
  EXPECT_EQ(host->alive(), 0);
  neighbour->end_all();
  EXPECT_TRUE(is_gone(pid));
  EXPECT_TRUE(neighbour_told([&] { return children_of(neighbours_keeper->pid()).empty(); }));
}

}  // namespace
}  // namespace rankpool::host
