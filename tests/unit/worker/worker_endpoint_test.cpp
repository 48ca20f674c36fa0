#include "worker/worker_endpoint.hpp"

#include <gtest/gtest.h>

#include <unistd.h>
#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

namespace rankpool::worker {
namespace {

/// A worker's end, and a host that takes whatever it is shown, and nothing else.
class Endpoint : public ::testing::Test {
 protected:
  void SetUp() override {
    const int copy = ::dup(host_.fd());
    ASSERT_GE(copy, 0);
    worker_.emplace(channel::Channel(copy), &page_, -1);
    takes_ = std::jthread([this](const std::stop_token& stop) {
      auto& control = host_.control();
      while (!stop.stop_requested()) {
        control.out_head.value.store(control.out_tail.value.load());
        std::uint32_t room = static_cast<std::uint32_t>(channel::Channel::SleepsFor::room);
        if (control.worker_sleeping.compare_exchange_strong(room, 0)) host_.send_wakeup();
        std::this_thread::yield();
      }
    });
  }
  [[nodiscard]] std::uint64_t taken() { return host_.control().out_head.value.load(); }

  channel::Channel host_;
  channel::RankPage page_;
  std::optional<WorkerEndpoint> worker_;
  std::jthread takes_;
};

TEST_F(Endpoint, shows_what_it_has_written_before_it_waits_for_room) {
  worker_->await_room(channel::Channel::kRing);
  worker_->written(channel::Channel::kRing);  // and not shown, as a frame that has just been closed
  const char one = 1;
  worker_->write(&one, 1);
  EXPECT_EQ(taken(), channel::Channel::kRing);
  worker_->await_room(channel::Channel::kRing);
  EXPECT_EQ(taken(), channel::Channel::kRing + 1);
}

TEST_F(Endpoint, writes_what_is_longer_than_the_ring) {
  const std::vector<char> bytes(3 * channel::Channel::kRing + 7, 'x');
  worker_->write(bytes.data(), bytes.size());
  worker_->show();
  worker_->await_room(channel::Channel::kRing);
  EXPECT_EQ(taken(), bytes.size());
}

}  // namespace
}  // namespace rankpool::worker
