#pragma once

#include "channel/channel.hpp"
#include "keeper/keeper.hpp"
#include "unit/processes.hpp"

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

namespace rankpool::keeper {

using channel::Channel;
using channel::RankPage;

using namespace test;  // NOLINT: this is what the tests are written in
using Kind = KeeperMessage::Kind;

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

  std::unique_ptr<KeeperConnection> link;

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
};

inline std::optional<KeeperMessage> next_message(KeeperConnection& link, std::chrono::milliseconds limit = 10s) {
  std::optional<KeeperMessage> message;
  until([&] { return (message = link.receive()) || link.lost(); }, limit);
  return message;
}

/// Asks for a worker; gives its pid.
inline pid_t spawn(KeeperConnection& link, std::uint32_t worker) {
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

}  // namespace rankpool::keeper
