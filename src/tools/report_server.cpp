#include "tools/report_server.hpp"

#include "launch/report.hpp"
#include "liveness/socket_tools.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <system_error>
#include <vector>

namespace rankpool::tools {
namespace {

using launch::ReportRecord;

/// Connections at a time: rank 0's, and strangers' until they are known as such.
constexpr std::size_t kMostConnections = 64;
/// Silence after which rank 0's node counts as lost.
constexpr std::chrono::seconds kLostAfter{10};

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

/// A listening socket for IPv6 and IPv4, or for IPv4 alone where there is no IPv6.
int listen_somewhere(std::uint16_t& port) {
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_any;
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(INADDR_ANY);
  for (const int family : {AF_INET6, AF_INET}) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const int zero = 0;
    if (family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    auto* const address = family == AF_INET6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
    socklen_t size = family == AF_INET6 ? sizeof six : sizeof four;
    if (::bind(fd, address, size) == 0 && ::listen(fd, 64) == 0 && ::getsockname(fd, address, &size) == 0) {
      port = ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
      return fd;
    }
    ::close(fd);
  }
  fail("a socket for rank 0's report");
}

/// One connection and the part of a record that has come.
struct Line {
  std::array<std::byte, sizeof(ReportRecord)> bytes;
  std::size_t filled = 0;
  bool trusted = false;
  bool holding = false;
};

}  // namespace

class ReportServer::Impl {
 public:
  int epoll = -1;
  int listener = -1;
  liveness::Invitation invitation;
  std::map<int, Line> lines;
  RankZeroNews news;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    for (const auto& [fd, line] : lines) ::close(fd);
    if (listener >= 0) ::close(listener);
    if (epoll >= 0) ::close(epoll);
  }

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }

  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0 && errno == EINTR) continue;
      if (fd < 0) return;
      if (lines.size() >= kMostConnections) drop_a_stranger();
      liveness::watch_for_silence(fd, kLostAfter);
      lines.emplace(fd, Line{});
      watch(fd);
    }
  }

  void drop_a_stranger() {
    for (const auto& [fd, line] : lines) {
      if (line.trusted) continue;
      close_line(fd, "");
      return;
    }
  }

  /// `how` stands for nothing unless it is rank 0's own.
  void close_line(int fd, const std::string& how) {
    const auto found = lines.find(fd);
    const bool was_holding = found->second.holding;
    lines.erase(found);
    ::close(fd);
    if (was_holding && !news.wait_status) news.lost = how;
  }

  void read(int fd) {
    Line& line = lines.at(fd);
    while (true) {
      const ssize_t got = ::recv(fd, line.bytes.data() + line.filled, line.bytes.size() - line.filled, MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return close_line(fd, got == 0 ? "connection closed" : std::strerror(errno));
      line.filled += static_cast<std::size_t>(got);
      if (line.filled < line.bytes.size()) continue;
      line.filled = 0;
      ReportRecord record;
      std::memcpy(static_cast<void*>(&record), line.bytes.data(), sizeof record);
      if (!take(fd, line, record)) return close_line(fd, "a record that makes no sense");
    }
  }

  bool take(int fd, Line& line, const ReportRecord& record) {
    const ReportRecord expected;
    if (record.magic != expected.magic || record.version != expected.version) return false;
    if (!liveness::same_token(record.token, invitation.token)) return false;
    switch (record.kind) {
      case ReportRecord::Kind::started:
        break;
      case ReportRecord::Kind::holding:
        line.holding = true;
        return true;
      case ReportRecord::Kind::ended:
        if (!news.wait_status) news.wait_status = record.wait_status;
        break;
      default:
        return false;
    }
    line.trusted = true;
    news.began = true;
    (void)!::send(fd, &launch::kReportAnswer, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    return true;
  }
};

ReportServer::ReportServer(const std::string& interface) : impl_(std::make_unique<Impl>()) {
  impl_->invitation.addresses = liveness::own_addresses(interface);
  impl_->invitation.token = liveness::random_token();
  impl_->epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (impl_->epoll < 0) fail("epoll_create1");
  impl_->listener = listen_somewhere(impl_->invitation.port);
  impl_->watch(impl_->listener);
}

ReportServer::~ReportServer() = default;

const liveness::Invitation& ReportServer::invitation() const { return impl_->invitation; }
int ReportServer::fd() const { return impl_->epoll; }

bool ReportServer::send_signal(int signal) {
  ReportRecord record;
  record.token = impl_->invitation.token;
  record.kind = ReportRecord::Kind::signal;
  record.wait_status = signal;
  for (const auto& [fd, line] : impl_->lines) {
    if (line.holding) return ::send(fd, &record, sizeof record, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof record;
  }
  return false;
}

const RankZeroNews& ReportServer::poll() {
  std::array<epoll_event, 16> events;
  const int count = ::epoll_wait(impl_->epoll, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    if (fd == impl_->listener) {
      impl_->accept_all();
    } else if (impl_->lines.contains(fd)) {
      impl_->read(fd);
    }
  }
  return impl_->news;
}

}  // namespace rankpool::tools
