#pragma once

#include "support/sanitized.hpp"

#include <rankpool/rankpool.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;  // NOLINT: this is what the tests are written in
using rankpool::Future;
using rankpool::ProcessPoolExecutor;

/// Nothing in these tests takes so long unless it hangs.
inline constexpr auto kLong = 20s;

/// A gate between processes of one node: tasks wait at it until the test opens it, and leave marks that the test can
/// await.
class Gate {
 public:
  Gate() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rankpool-gate-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    open();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] const std::string& name() const { return folder_; }
  void open() const { std::ofstream(folder_ + "/open"); }
  /// How many marks there are.
  [[nodiscard]] std::size_t marks() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      count += entry.path().filename() != "open" ? 1 : 0;
    }
    return count;
  }
  [[nodiscard]] bool await_marks(std::size_t count) const {
    return until([&] { return marks() >= count; });
  }
  /// Polls until it is so, or the time is up.
  template <class Condition>
  static bool until(Condition&& condition, std::chrono::milliseconds limit = kLong) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      ::poll(nullptr, 0, 2);
    }
    return true;
  }

 private:
  std::string folder_;
};

// What tasks do at a gate, given its name.
inline void leave_mark(const std::string& gate) {
  static std::atomic<int> number{0};
  std::ofstream(gate + "/" + std::to_string(::getpid()) + "-" + std::to_string(number++) + "-" +
                std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
}
inline void await_open(const std::string& gate) {
  while (::access((gate + "/open").c_str(), F_OK) != 0 && ::access(gate.c_str(), F_OK) == 0) ::poll(nullptr, 0, 2);
}
/// Leaves a mark, waits until the gate is open, and gives back its argument.
inline int pass_gate(std::string gate, int value) {
  leave_mark(gate);
  await_open(gate);
  return value;
}

inline long square(long x) { return x * x; }
inline long add(long a, long b) { return a + b; }
inline int fail_with(int code) { throw std::runtime_error(std::to_string(code)); }
inline pid_t own_pid() { return ::getpid(); }
inline int die_by(int signal) {
  std::raise(signal);
  return 0;
}
inline int leave_with(int code) { ::_exit(code); }
inline int sleep_ms(int milliseconds) {
  ::poll(nullptr, 0, milliseconds);
  return milliseconds;
}

/// Processes below the keepers of this node that are not ranks: workers, and what they started.
inline std::vector<pid_t> workers_on_this_node() {
  std::vector<pid_t> found;
  for (const auto& rank : rankpool::ranks()) {
    std::ifstream children("/proc/" + std::to_string(rank.keeper_pid) + "/task/" + std::to_string(rank.keeper_pid) +
                           "/children");
    for (pid_t child = 0; children >> child;) {
      if (child != rank.pid) found.push_back(child);
    }
  }
  return found;
}
inline std::size_t entries(const char* folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    // MPI's own, and perhaps of another job that runs meanwhile.
    count += entry.path().filename().string().find("_segment") == std::string::npos ? 1 : 0;
  }
  return count;
}

/// Every test checks that it leaves no worker process, no thread and no descriptor behind.
class Behaviour : public ::testing::Test {
 protected:
  void SetUp() override {
    // The callback thread stays once it is there; so that it does not count, it is there from the start.
    ProcessPoolExecutor warm(1);
    std::atomic<bool> called{false};
    warm.submit(square, 1).add_done_callback([&](const Future<long>&) { called = true; });
    warm.shutdown();
    ASSERT_TRUE(called);
    threads_ = entries("/proc/self/task");
    descriptors_ = entries("/proc/self/fd");
    shared_ = entries("/dev/shm");
  }
  void TearDown() override {
    EXPECT_TRUE(Gate::until([] { return workers_on_this_node().empty(); }, 5s))
        << workers_on_this_node().size() << " worker processes are left";
    EXPECT_TRUE(Gate::until([&] { return entries("/proc/self/task") <= threads_; }, 5s)) << "threads are left";
    EXPECT_TRUE(Gate::until([&] { return entries("/proc/self/fd") <= descriptors_; }, 5s)) << "descriptors are left";
    // Groups of another job that runs meanwhile come and go there.
    EXPECT_TRUE(Gate::until([&] { return entries("/dev/shm") <= shared_; }, 5s)) << "shared memory is left";
  }

 private:
  std::size_t threads_ = 0;
  std::size_t descriptors_ = 0;
  std::size_t shared_ = 0;
};

/// The text of the exception that `call` throws, of type E; fails the test otherwise.
template <class E, class Call>
std::string thrown(Call&& call) {
  try {
    call();
  } catch (const E& e) {
    EXPECT_EQ(typeid(e).name(), std::string(typeid(E).name()));
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "threw " << typeid(e).name() << ": " << e.what();
    return "";
  }
  ADD_FAILURE() << "threw nothing";
  return "";
}
