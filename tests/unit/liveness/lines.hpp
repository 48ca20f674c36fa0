#pragma once

#include "liveness/lifeline.hpp"
#include "liveness/socket_tools.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::liveness {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Events = std::vector<LifelineEvent>;
using Kind = LifelineEvent::Kind;

inline long open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

/// Puts the limit of open files back.
class FileLimit {
 public:
  explicit FileLimit(rlim_t soft) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lower{soft, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &lower);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  ~FileLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

inline long count(const Events& events, Kind kind) {
  return std::count_if(events.begin(), events.end(), [&](const auto& event) { return event.kind == kind; });
}

inline const LifelineEvent* find(const Events& events, Kind kind) {
  const auto found = std::find_if(events.begin(), events.end(), [&](const auto& event) { return event.kind == kind; });
  return found == events.end() ? nullptr : &*found;
}

/// Polls one end until `enough` holds of all it has told; gives that.
template <class End>
Events told(End& end, const std::function<bool(const Events&)>& enough, std::chrono::milliseconds limit = 10s) {
  Events events;
  const auto deadline = Clock::now() + limit;
  while (!enough(events)) {
    if (Clock::now() > deadline) {
      ADD_FAILURE() << "not told within the time";
      break;
    }
    pollfd wait{end.fd(), POLLIN, 0};
    ::poll(&wait, 1, 10);
    end.poll(events);
  }
  return events;
}

template <class End>
Events told(End& end, Kind kind, long number = 1, std::chrono::milliseconds limit = 10s) {
  return told(
      end, [&](const Events& events) { return count(events, kind) >= number; }, limit);
}

/// Something that connects to the server's port without being a Lifeline.
class Stranger {
 public:
  explicit Stranger(const Invitation& invitation, const std::string& address = "127.0.0.1") {
    Address to;
    EXPECT_TRUE(Address::parse(address, invitation.port, to));
    fd_ = ::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&to.storage), to.size), 0);
  }
  Stranger(Stranger&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Stranger& operator=(Stranger&&) = delete;
  ~Stranger() { close(); }

  void say(const void* bytes, std::size_t size) const { (void)!::send(fd_, bytes, size, MSG_NOSIGNAL); }
  template <class Struct>
  void say(const Struct& what) const {
    say(&what, sizeof what);
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  [[nodiscard]] bool was_closed() const {
    pollfd wait{fd_, POLLIN, 0};
    char byte = 0;
    return ::poll(&wait, 1, 5000) == 1 && ::recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  int fd_ = -1;
};

inline Handshake hello_of(const Invitation& invitation, int rank) {
  Handshake hello;
  hello.token = invitation.token;
  hello.rank = rank;
  return hello;
}

/// The server and one rank that has joined it.
struct Pair {
  explicit Pair(LifelineOptions options = {}) : server(2, options), rank(Rank{1}, server.invitation(), options) {
    told(server, Kind::joined);
  }
  LifelineServer server;
  Lifeline rank;
};

}  // namespace rankpool::liveness
