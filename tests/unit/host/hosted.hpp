#pragma once

#include "host/worker_host.hpp"
#include "unit/keeper/kept.hpp"
#include "wire/frame_reader.hpp"
#include "worker/worker.hpp"

#include <array>
#include <map>

namespace rankpool::host {

using namespace keeper;  // NOLINT: what the test is written in

inline std::vector<std::byte> pattern(std::size_t size, unsigned seed = 1) {
  std::vector<std::byte> bytes(size);
  unsigned state = seed;
  for (auto& byte : bytes) byte = static_cast<std::byte>((state = state * 1664525U + 1013904223U) >> 24U);
  return bytes;
}

/// Notes what a host tells, in order.
class Notes : public HostListener {
 public:
  struct Frame {
    wire::FrameHeader header;
    std::vector<std::byte> payload;
  };
  struct Ended {
    WorkerEnd end;
    std::size_t bytes_before;
  };

  void worker_started(WorkerId worker, pid_t pid) override { started[raw(worker)] = pid; }
  void worker_failed_to_start(WorkerId worker, const std::string& why) override { failed[raw(worker)] = why; }
  void worker_output(WorkerId worker, std::span<const std::byte> bytes) override {
    EXPECT_FALSE(ended.contains(raw(worker))) << "output after the end";
    auto& all = output[raw(worker)];
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  void worker_side_output(WorkerId worker, std::span<const std::byte> bytes) override {
    EXPECT_FALSE(ended.contains(raw(worker))) << "output after the end";
    auto& all = side_output[raw(worker)];
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  void worker_ended(WorkerId worker, const WorkerEnd& end) override {
    EXPECT_FALSE(ended.contains(raw(worker))) << "a second end";
    ended[raw(worker)] = {end, output[raw(worker)].size()};
  }
  void keeper_lost() override { ++times_keeper_lost; }

  /// All that the worker has sent, cut into frames.
  std::vector<Frame> frames(std::uint32_t worker) {
    std::vector<Frame> all;
    wire::FrameReader reader;
    EXPECT_TRUE(reader.feed(output[worker], [&](const wire::FrameHeader& header, auto payload, detail::Bytes*) {
      all.push_back({header, {payload.begin(), payload.end()}});
    }));
    return all;
  }

  std::map<std::uint32_t, pid_t> started;
  std::map<std::uint32_t, std::string> failed;
  std::map<std::uint32_t, std::vector<std::byte>> output;
  std::map<std::uint32_t, std::vector<std::byte>> side_output;
  std::map<std::uint32_t, Ended> ended;
  int times_keeper_lost = 0;
};

/// A host with its keeper and what it has told.
class Hosted : public testing::Test {
 protected:
  void keep(KeeperProcess::WorkerMain worker) {
    keeper = std::make_unique<KeeperProcess>(std::move(worker));
    page = &keeper->link->page();
    host = std::make_unique<WorkerHost>(std::move(keeper->link));
  }
  void TearDown() override { host.reset(); }

  bool polled_until(const std::function<bool()>& holds, std::chrono::milliseconds limit = 10s) {
    const auto deadline = Clock::now() + limit;
    while (!holds()) {
      if (Clock::now() > deadline) return false;
      // The end of the keeper is told by its socket alone, which a host looks at when it was asleep.
      if (!host->poll(notes)) sleep_until_something(1);
    }
    return true;
  }
  /// As engine and agent do it. True if it was woken.
  bool sleep_until_something(int milliseconds) {
    bool woken = true;
    if (host->prepare_sleep()) {
      std::array<pollfd, 2> fds{{{host->wake_fd(), POLLIN, 0}, {host->keeper_fd(), POLLIN, 0}}};
      woken = ::poll(fds.data(), fds.size(), milliseconds) > 0;
    }
    host->awake();
    return woken;
  }
  pid_t start(std::uint32_t worker) {
    host->start(WorkerId{worker});
    EXPECT_TRUE(polled_until([&] { return notes.started.contains(worker) || notes.failed.contains(worker); }));
    return notes.started[worker];
  }
  bool has_ended(std::uint32_t worker) {
    return polled_until([&] { return notes.ended.contains(worker); });
  }

  std::unique_ptr<KeeperProcess> keeper;
  RankPage* page = nullptr;
  std::unique_ptr<WorkerHost> host;
  Notes notes;
};

}  // namespace rankpool::host
