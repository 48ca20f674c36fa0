#include "liveness/lifeline.hpp"

#include "base/pace.hpp"
#include "liveness/socket_tools.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace rankpool::liveness {
namespace {

int connect_to(const Address& address) {
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int error = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      pollfd wait{fd, POLLOUT, 0};
      socklen_t size = sizeof error;
      if (::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(pace::kConnect).count())) != 1 ||
          ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = ETIMEDOUT;
    }
  }
  if (error == 0) return fd;
  ::close(fd);
  errno = error;
  return -1;
}

}  // namespace

class Lifeline::Impl {
 public:
  int fd = -1;
  LifelineOptions options;
  LifelineReader reader;

  void send(LifelineMessage message) const {
    if (fd >= 0) (void)!::send(fd, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
};

Lifeline::Lifeline(Rank self, const Invitation& invitation, LifelineOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  std::string tried;
  for (const auto& text : invitation.addresses) {
    Address address;
    if (!Address::parse(text, invitation.port, address)) continue;
    impl_->fd = connect_to(address);
    if (impl_->fd < 0) {
      tried += " " + text + " (" + std::strerror(errno) + ")";
      continue;
    }
    Handshake hello;
    hello.token = invitation.token;
    hello.rank = raw(self);
    if (::send(impl_->fd, &hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello) break;
    ::close(std::exchange(impl_->fd, -1));
  }
  if (impl_->fd < 0)
    throw std::runtime_error("rank 0 cannot be reached for the lifeline at any of its addresses:" + tried);
  watch_for_silence(impl_->fd, impl_->options.lost_after);
}

Lifeline::~Lifeline() {
  if (impl_->fd >= 0) ::close(impl_->fd);
}

int Lifeline::fd() const { return impl_->fd; }

bool Lifeline::poll(std::vector<LifelineEvent>& to) {
  if (impl_->fd < 0) return false;
  std::array<std::byte, 4096> bytes;
  const ssize_t got = ::recv(impl_->fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  std::vector<LifelineMessage> messages;
  if (got <= 0 || !impl_->reader.feed(bytes.data(), static_cast<std::size_t>(got), messages)) {
    const char* const how = got == 0  ? "connection closed"
                            : got < 0 ? std::strerror(errno)
                                      : "it sent what makes no sense on the lifeline";
    to.push_back({LifelineEvent::Kind::lost, Rank{0}, 0, how});
    ::close(std::exchange(impl_->fd, -1));
    return true;
  }
  for (const auto& message : messages) {
    if (message.kind == LifelineMessage::Kind::asleep)
      to.push_back({LifelineEvent::Kind::asleep, Rank{0}, message.number, ""});
    if (message.kind == LifelineMessage::Kind::ring) to.push_back({LifelineEvent::Kind::ring, Rank{0}, 0, ""});
  }
  return true;
}

void Lifeline::ring() { impl_->send({LifelineMessage::Kind::ring, 0}); }
void Lifeline::asleep(std::uint64_t received) { impl_->send({LifelineMessage::Kind::asleep, received}); }

void send_exit_notice(int fd, int wait_status) noexcept {
  const LifelineMessage message{LifelineMessage::Kind::exit_notice,
                                static_cast<std::uint64_t>(static_cast<std::uint32_t>(wait_status))};
  (void)!::send(fd, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace rankpool::liveness
