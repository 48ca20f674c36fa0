#include "liveness/lifeline.hpp"

#include "base/pace.hpp"
#include "liveness/socket_tools.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

namespace rankpool::liveness {
namespace {

using Clock = std::chrono::steady_clock;

/// Connections that may be open before they have shown the token; a stranger beyond that pushes out the oldest.
constexpr std::size_t kMaxHalfOpen = 256;
/// epoll's words for what is not a rank.
constexpr std::uint64_t kListener = UINT64_MAX;
constexpr std::uint64_t kHalfOpen = std::uint64_t{1} << 32U;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

class LifelineServer::Impl {
 public:
  struct Line {
    int fd = -1;
    bool had = false;
    bool kept = false;  ///< the rank is dead, its keeper is not
    LifelineReader reader;
  };
  struct HalfOpen {
    int fd = -1;
    Clock::time_point since;
    std::string from;
    std::array<std::byte, sizeof(Handshake)> bytes{};
    std::size_t filled = 0;
  };

  Impl(int ranks, LifelineOptions given, Rank own) : options(std::move(given)) {
    for (std::int32_t rank = 0; rank < ranks; ++rank) {
      if (Rank{rank} != own) lines.try_emplace(Rank{rank});
    }
    make_room_for_descriptors(lines.size() + 1024);
    invitation.addresses = own_addresses(options.interface);
    invitation.token = random_token();
    epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fail("epoll_create1");
    spare = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    open_listener();
  }
  ~Impl() {
    for (auto& [rank, line] : lines) {
      if (line.fd >= 0) ::close(line.fd);
    }
    for (auto& one : half_open) ::close(one.fd);
    if (listener >= 0) ::close(listener);
    if (epoll >= 0) ::close(epoll);
    if (spare >= 0) ::close(spare);
  }

  void open_listener() {
    // One socket for both families; where there is no IPv6, one for IPv4.
    listener = ::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool bound = false;
    if (listener >= 0) {
      const int off = 0;
      ::setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      sockaddr_in6 any{};
      any.sin6_family = AF_INET6;
      bound = ::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0;
    }
    if (!bound) {
      if (listener >= 0) ::close(listener);
      listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (listener < 0) fail("socket");
      sockaddr_in any{};
      any.sin_family = AF_INET;
      if (::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) fail("bind");
    }
    if (::listen(listener, 4096) != 0) fail("listen");
    sockaddr_in6 own{};
    socklen_t size = sizeof own;
    if (::getsockname(listener, reinterpret_cast<sockaddr*>(&own), &size) != 0) fail("getsockname");
    invitation.port = ntohs(own.sin6_port);  // the port stands at the same place for both families
    watch(listener, kListener);
  }
  void watch(int fd, std::uint64_t word) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = word;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  static std::string name_of(const sockaddr_storage& address, socklen_t size) {
    char text[64] = "?";
    char port[16] = "?";
    ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, text, sizeof text, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV);
    return std::string(text) + " port " + port;
  }
  void accept_all(std::vector<LifelineEvent>& to) {
    for (int i = 0; i < 64; ++i) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if ((errno == EMFILE || errno == ENFILE) && spare >= 0) turn_away(to);
        return;
      }
      if (half_open.size() >= kMaxHalfOpen) refuse(half_open.begin(), "newer ones pushed it out", to);
      half_open.push_back({fd, Clock::now(), name_of(from, size), {}, 0});
      watch(fd, kHalfOpen + static_cast<std::uint64_t>(fd));
    }
  }
  /// Without a descriptor for it a connection could not even be closed, and would keep us awake for ever.
  void turn_away(std::vector<LifelineEvent>& to) {
    ::close(spare);
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC);
    if (fd >= 0) {
      ::close(fd);
      to.push_back({LifelineEvent::Kind::stranger, Rank{-1}, 0,
                    "a connection from " + name_of(from, size) +
                        " to the lifeline socket was closed: this process has too many open files"});
    }
    spare = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  void refuse(std::list<HalfOpen>::iterator one, const std::string& why, std::vector<LifelineEvent>& to) {
    ::close(one->fd);
    to.push_back({LifelineEvent::Kind::stranger, Rank{-1}, 0,
                  "a connection from " + one->from + " to the lifeline socket was closed: " + why});
    half_open.erase(one);
  }
  void read_handshake(int fd, std::vector<LifelineEvent>& to) {
    const auto one = std::find_if(half_open.begin(), half_open.end(), [&](const HalfOpen& h) { return h.fd == fd; });
    if (one == half_open.end()) return;
    const ssize_t got = ::recv(fd, one->bytes.data() + one->filled, one->bytes.size() - one->filled, 0);
    if (got == 0) return refuse(one, "it ended before its handshake", to);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) refuse(one, "it broke before its handshake", to);
      return;
    }
    one->filled += static_cast<std::size_t>(got);
    if (one->filled < one->bytes.size()) return;
    Handshake hello;
    const Handshake wanted;
    std::memcpy(&hello, one->bytes.data(), sizeof hello);
    if (hello.magic != wanted.magic || hello.version != wanted.version || !same_token(hello.token, invitation.token)) {
      return refuse(one, "it did not bring this job's token", to);
    }
    const auto awaited = lines.find(Rank{hello.rank});
    if (awaited == lines.end() || awaited->second.had) {
      return refuse(one, "it claims to be rank " + std::to_string(hello.rank) + ", which is not awaited", to);
    }
    Line& line = awaited->second;
    line.fd = fd;
    line.had = true;
    half_open.erase(one);
    watch_for_silence(fd, options.lost_after);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.u64 = static_cast<std::uint64_t>(hello.rank);
    ::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
    to.push_back({LifelineEvent::Kind::joined, Rank{hello.rank}, 0, ""});
  }
  void read_line(Rank rank, std::vector<LifelineEvent>& to) {
    Line& line = lines.at(rank);
    if (line.fd < 0) return;
    std::array<std::byte, 4096> bytes;
    const ssize_t got = ::recv(line.fd, bytes.data(), bytes.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      std::string how = got == 0 ? "connection closed"
                        : errno == ETIMEDOUT || errno == EHOSTUNREACH
                            ? "no sign of life for " + std::to_string(options.lost_after.count() / 1000) + " s"
                            : std::strerror(errno);
      return lose(rank, how, to);
    }
    std::vector<LifelineMessage> messages;
    const bool sensible = line.reader.feed(bytes.data(), static_cast<std::size_t>(got), messages);
    for (const auto& message : messages) {
      switch (message.kind) {
        case LifelineMessage::Kind::asleep:
          to.push_back({LifelineEvent::Kind::asleep, rank, message.number, ""});
          break;
        case LifelineMessage::Kind::ring:
          to.push_back({LifelineEvent::Kind::ring, rank, 0, ""});
          break;
        case LifelineMessage::Kind::exit_notice:
          // The keeper still holds the other end, and takes the end of this one for the end of the job.
          line.kept = true;
          ::epoll_ctl(epoll, EPOLL_CTL_DEL, line.fd, nullptr);
          to.push_back({LifelineEvent::Kind::lost, rank, 0, "", static_cast<int>(message.number)});
          return;
      }
    }
    if (!sensible) lose(rank, "it sent what makes no sense on its lifeline", to);
  }
  void lose(Rank rank, const std::string& how, std::vector<LifelineEvent>& to) {
    close_line(rank);
    to.push_back({LifelineEvent::Kind::lost, rank, 0, how});
  }
  void close_line(Rank rank) {
    Line& line = lines.at(rank);
    if (line.fd >= 0 && !line.kept) ::close(std::exchange(line.fd, -1));
  }
  void send(Rank rank, LifelineMessage message) {
    const Line& line = lines.at(rank);
    // A peer whose buffer is full has unread bells enough.
    if (line.fd >= 0) (void)!::send(line.fd, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  LifelineOptions options;
  Invitation invitation;
  std::map<Rank, Line> lines;  ///< of all ranks that are awaited or have come
  std::list<HalfOpen> half_open;
  int listener = -1;
  int epoll = -1;
  int spare = -1;  ///< a descriptor to give up when there are no others
};

LifelineServer::LifelineServer(int ranks, LifelineOptions options, Rank own)
    : impl_(std::make_unique<Impl>(ranks, std::move(options), own)) {}
LifelineServer::~LifelineServer() = default;
const Invitation& LifelineServer::invitation() const { return impl_->invitation; }
int LifelineServer::fd() const { return impl_->epoll; }

bool LifelineServer::poll(std::vector<LifelineEvent>& to) {
  const std::size_t before = to.size();
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(impl_->epoll, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t word = events[static_cast<std::size_t>(i)].data.u64;
    if (word == kListener) {
      impl_->accept_all(to);
    } else if (word >= kHalfOpen) {
      impl_->read_handshake(static_cast<int>(word - kHalfOpen), to);
    } else {
      impl_->read_line(Rank{static_cast<std::int32_t>(word)}, to);
    }
  }
  while (!impl_->half_open.empty() && Clock::now() - impl_->half_open.front().since > pace::kHandshake) {
    impl_->refuse(impl_->half_open.begin(), "it said nothing", to);
  }
  return to.size() != before || count > 0;
}

void LifelineServer::ring(Rank rank) { impl_->send(rank, {LifelineMessage::Kind::ring, 0}); }
void LifelineServer::asleep(Rank rank, std::uint64_t received) {
  impl_->send(rank, {LifelineMessage::Kind::asleep, received});
}
void LifelineServer::drop(Rank rank) {
  impl_->lines.at(rank).had = true;
  impl_->close_line(rank);
}

}  // namespace rankpool::liveness
