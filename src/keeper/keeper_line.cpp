#include "keeper/keeper_line.hpp"

#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace rankpool::keeper {

bool send_message(int socket, const KeeperMessage& message, int fd, int flags) {
  iovec part{const_cast<KeeperMessage*>(&message), sizeof message};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  if (fd >= 0) {
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  while (true) {
    if (::sendmsg(socket, &packet, MSG_NOSIGNAL | flags) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

Received receive_message(int socket, KeeperMessage& message, int& fd) {
  fd = -1;
  iovec part{&message, sizeof message};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  packet.msg_control = control.data();
  packet.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return errno == EAGAIN ? Received::nothing : Received::end;
  if (size == 0) return Received::end;
  if (const cmsghdr* const header = CMSG_FIRSTHDR(&packet);
      header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  return size == sizeof message ? Received::message : Received::end;
}

KeeperSocket::~KeeperSocket() {
  // A process that the program has forked may hold the line, too: closing alone would tell the keeper nothing.
  if (control_identity_.is(control_)) {
    ::shutdown(control_, SHUT_RDWR);
    ::close(control_);
  }
  if (wake_identity_.is(wake_)) ::close(wake_);
  keep_page_to_itself();
}

void KeeperSocket::keep_page_to_itself() noexcept {
  if (page_memory_ >= 0 && page_memory_identity_.is(page_memory_)) ::close(page_memory_);
  page_memory_ = -1;
}

bool KeeperSocket::send(const KeeperMessage& message, int fd) {
  return control_identity_.is(control_) && send_message(control_, message, fd);
}

std::optional<KeeperMessage> KeeperSocket::receive() {
  KeeperMessage message;
  int fd = -1;
  switch (control_identity_.is(control_) ? receive_message(control_, message, fd) : Received::end) {
    case Received::message:
      return message;
    case Received::nothing:
      return std::nullopt;
    case Received::end:
      lost_ = true;
      return std::nullopt;
  }
  return std::nullopt;
}

void KeeperSocket::take_rings() noexcept {
  if (!wake_identity_.is(wake_)) {
    lost_ = true;
    return;
  }
  std::array<std::byte, 256> rings;
  [[maybe_unused]] const auto taken = ::read(wake_, rings.data(), rings.size());
}

}  // namespace rankpool::keeper
