#include "liveness/socket_tools.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>

namespace rankpool::liveness {
namespace {

/// An address of this node, on an interface that is up.
struct OwnAddress {
  std::string interface;
  std::string text;
  int distance = 0;         ///< how unlikely it is that another node gets through to it
  bool link_local = false;  ///< its scope, an interface of this node, means nothing on another

  [[nodiscard]] bool is_called(const std::string& name) const { return name == interface || name == text; }
};

std::vector<OwnAddress> all_addresses() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) throw std::system_error(errno, std::generic_category(), "getifaddrs");
  std::vector<OwnAddress> found;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    char text[NI_MAXHOST];
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::getnameinfo(one->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    const std::string name = one->ifa_name;
    const bool loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
    // Bridges to containers lead nowhere.
    const bool bridge = name.starts_with("docker") || name.starts_with("virbr") || name.starts_with("br-");
    const bool link_local =
        family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr);
    found.push_back({name, text, (loopback ? 8 : 0) + (bridge ? 4 : 0) + (family == AF_INET6 ? 1 : 0), link_local});
  }
  ::freeifaddrs(all);
  return found;
}

}  // namespace

bool Address::parse(const std::string& text, std::uint16_t port, Address& to) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(text.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return false;
  std::memcpy(&to.storage, found->ai_addr, found->ai_addrlen);
  to.size = found->ai_addrlen;
  ::freeaddrinfo(found);
  return true;
}

std::vector<std::string> own_addresses(const std::string& only) {
  std::vector<OwnAddress> found = all_addresses();
  if (std::any_of(found.begin(), found.end(), [&](const OwnAddress& one) { return one.is_called(only); })) {
    std::erase_if(found, [&](const OwnAddress& one) { return !one.is_called(only); });
  } else {
    std::erase_if(found, [](const OwnAddress& one) { return one.link_local; });
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.distance < b.distance; });
  std::vector<std::string> texts;
  for (auto& one : found) texts.push_back(std::move(one.text));
  return texts;
}

std::string interface_complaint(const std::string& name) {
  if (name.empty()) return "";
  std::set<std::string> names;
  for (const OwnAddress& one : all_addresses()) {
    if (one.is_called(name)) return "";
    names.insert(one.interface);
  }
  std::string text = "RANKPOOL_INTERFACE=\"" + name + "\" is not an interface or address of this node, which has";
  for (const auto& one : names) text += " " + one;
  return text + "; using all of them";
}

void watch_for_silence(int fd, std::chrono::milliseconds lost_after) {
  // Silence is probed after a third of the time, then three times within the rest.
  const int one = 1;
  const int total = static_cast<int>(std::max<std::int64_t>(lost_after.count(), 1000));
  const int idle = std::max(1, total / 3000);
  const int interval = std::max(1, total / 4000);
  const int count = std::max(1, (total - idle * 1000) / (interval * 1000));
  const unsigned user = static_cast<unsigned>(total);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof user);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

bool same_token(const Token& a, const Token& b) noexcept {
  std::byte difference{0};
  for (std::size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == std::byte{0};
}

Token random_token() {
  Token token{};
  std::size_t filled = 0;
  while (filled < token.size()) {
    const ssize_t got = ::getrandom(token.data() + filled, token.size() - filled, 0);
    if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return token;
}

void make_room_for_descriptors(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool LifelineReader::feed(const std::byte* bytes, std::size_t size, std::vector<LifelineMessage>& to) {
  while (size > 0) {
    const std::size_t part = std::min(size, sizeof buffer_ - filled_);
    std::memcpy(buffer_ + filled_, bytes, part);
    filled_ += part;
    bytes += part;
    size -= part;
    if (filled_ < sizeof buffer_) return true;
    filled_ = 0;
    LifelineMessage message;
    std::memcpy(&message, buffer_, sizeof message);
    if (message.kind < LifelineMessage::Kind::asleep || message.kind > LifelineMessage::Kind::exit_notice) return false;
    to.push_back(message);
  }
  return true;
}

}  // namespace rankpool::liveness
