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
#include <stdexcept>
#include <system_error>

namespace rankpool::liveness {

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
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) throw std::system_error(errno, std::generic_category(), "getifaddrs");
  struct Found {
    int rank;
    std::string text;
  };
  std::vector<Found> found;
  std::set<std::string> names;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    const int family = one->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    names.insert(one->ifa_name);
    char text[NI_MAXHOST];
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::getnameinfo(one->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    const bool loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
    const bool link_local =
        family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr);
    if (!only.empty()) {
      if (only == one->ifa_name || only == text) found.push_back({family == AF_INET ? 0 : 1, text});
      continue;
    }
    // A scope of another node's interface means nothing here, and bridges to containers lead nowhere.
    if (link_local) continue;
    const std::string name = one->ifa_name;
    const bool bridge = name.starts_with("docker") || name.starts_with("virbr") || name.starts_with("br-");
    found.push_back({(loopback ? 8 : 0) + (bridge ? 4 : 0) + (family == AF_INET6 ? 1 : 0), text});
  }
  ::freeifaddrs(all);
  if (found.empty() && !only.empty()) {
    std::string text = "RANKPOOL_INTERFACE=" + only + " names no interface or address of this node; there are:";
    for (const auto& name : names) text += " " + name;
    throw std::invalid_argument(text);
  }
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.rank < b.rank; });
  std::vector<std::string> texts;
  for (auto& one : found) texts.push_back(std::move(one.text));
  return texts;
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

bool SignalReader::feed(const std::byte* bytes, std::size_t size, std::vector<Signal>& to) {
  while (size > 0) {
    const std::size_t part = std::min(size, sizeof buffer_ - filled_);
    std::memcpy(buffer_ + filled_, bytes, part);
    filled_ += part;
    bytes += part;
    size -= part;
    if (filled_ < sizeof buffer_) return true;
    filled_ = 0;
    Signal signal;
    std::memcpy(&signal, buffer_, sizeof signal);
    if (signal.kind < Signal::Kind::asleep || signal.kind > Signal::Kind::epitaph) return false;
    to.push_back(signal);
  }
  return true;
}

}  // namespace rankpool::liveness
