#pragma once

#include "process/channel.hpp"
#include "process/keeper.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::process {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Kind = KeeperMessage::Kind;

inline bool until(const std::function<bool()>& holds, std::chrono::milliseconds limit = 10s) {
  const auto deadline = Clock::now() + limit;
  while (!holds()) {
    if (Clock::now() > deadline) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

/// A process's state as `ps` has it; 0 if there is none such.
inline char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(") ");
  return name_end == std::string::npos ? '\0' : line[name_end + 2];
}
/// A zombie is gone: its parent has only not looked yet.
inline bool is_gone(pid_t pid) {
  const char state = state_of(pid);
  return state == '\0' || state == 'Z' || state == 'X';
}
inline bool all_gone(const std::vector<pid_t>& pids) { return std::all_of(pids.begin(), pids.end(), is_gone); }

inline long descriptors_of(pid_t pid) {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/fd");
  return std::distance(all, std::filesystem::directory_iterator());
}
inline std::vector<pid_t> children_of(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::ifstream file("/proc/" + number + "/task/" + number + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

/// Room for as many open files as the system allows, while it lives.
class ManyFiles {
 public:
  ManyFiles() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit all{before_.rlim_max, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &all);
  }
  ManyFiles(const ManyFiles&) = delete;
  ManyFiles& operator=(const ManyFiles&) = delete;
  ~ManyFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

/// A keeper in a process of its own, as a program that is started bare has it; the test is the rank.
class KeeperProcess {
 public:
  using WorkerMain = std::function<void(Channel, RankPage*, int)>;

  explicit KeeperProcess(WorkerMain worker, const std::function<void(KeeperDuties&)>& more = {}) {
    KeeperPair pair = make_keeper_pair();
    const pid_t self = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      pair.keep_keeper();
      KeeperDuties duties;
      duties.rank = self;
      duties.rank_is_parent = true;
      duties.worker_main = std::move(worker);
      if (more) more(duties);
      pair.keeper->run(std::move(duties));
      ::_exit(0);
    }
    pair.keep_link();
    link = std::move(pair.link);
  }
  KeeperProcess(const KeeperProcess&) = delete;
  KeeperProcess& operator=(const KeeperProcess&) = delete;
  ~KeeperProcess() {
    link.reset();
    if (ended() || until([&] { return ended(); }, 5s)) return;
    ADD_FAILURE() << "the keeper has not ended with its rank";
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  bool ended() {
    if (!ended_) ended_ = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
    return ended_;
  }

  std::unique_ptr<KeeperLink> link;

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
};

inline std::optional<KeeperMessage> next_message(KeeperLink& link, std::chrono::milliseconds limit = 10s) {
  std::optional<KeeperMessage> message;
  until([&] { return (message = link.receive()) || link.lost(); }, limit);
  return message;
}

/// Asks for a worker; gives its pid.
inline pid_t spawn(KeeperLink& link, std::uint32_t worker) {
  const Channel channel;
  EXPECT_TRUE(link.send({Kind::spawn, worker, 0, 0}, channel.fd()));
  const auto message = next_message(link);
  if (!message || message->kind != Kind::spawned || message->worker != worker) {
    ADD_FAILURE() << "worker " << worker << " was not spawned";
    return 0;
  }
  return message->number;
}

[[noreturn]] inline void sleep_for_ever() {
  while (true) ::pause();
}

}  // namespace rankpool::process
