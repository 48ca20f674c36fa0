#include "launch/report.hpp"

#include "liveness/socket_tools.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace rankpool::launch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{2};
/// Of that, for whoever has taken the connection and says nothing.
constexpr std::chrono::milliseconds kAnswerPatience{700};
/// More addresses than a node has, and few enough to try all of them at once.
constexpr std::size_t kMostAddresses = 64;

int left(Clock::time_point deadline) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return rest > 0 ? static_cast<int>(rest) : 0;
}

std::optional<unsigned> hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a' + 10);
  return std::nullopt;
}

/// Sends the record and waits for the answer, which a stranger at the same address would not give.
bool say(int fd, const ReportRecord& record, Clock::time_point limit) {
  const auto deadline = std::min(limit, Clock::now() + kAnswerPatience);
  if (::send(fd, &record, sizeof record, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof record) return false;
  while (true) {
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, left(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char answer = 0;
    return ::recv(fd, &answer, 1, MSG_DONTWAIT) == 1 && answer == kReportAnswer;
  }
}

/// Connects to all addresses at once, since most of another node's may lead nowhere, and says the record to the first
/// that is the right one. The connection, or -1.
int connect_and_say(const liveness::Invitation& to, const ReportRecord& record) {
  const auto deadline = Clock::now() + kPatience;
  std::vector<pollfd> tries;
  for (const auto& text : to.addresses) {
    liveness::Address address;
    if (!liveness::Address::parse(text, to.port, address)) continue;
    const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0 || errno == EINPROGRESS) {
      tries.push_back({fd, POLLOUT, 0});
    } else {
      ::close(fd);
    }
  }
  int found = -1;
  while (found < 0 && !tries.empty()) {
    const int ready = ::poll(tries.data(), tries.size(), left(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    for (auto one = tries.begin(); one != tries.end();) {
      if (one->revents == 0) {
        ++one;
        continue;
      }
      if (found < 0 && say(one->fd, record, deadline)) {
        found = one->fd;
      } else {
        ::close(one->fd);
      }
      one = tries.erase(one);
    }
  }
  for (const auto& one : tries) ::close(one.fd);
  return found;
}

/// The connection that `report_start` left open.
int g_line = -1;

std::optional<liveness::Invitation> g_invitation;

}  // namespace

std::string to_report_text(const liveness::Invitation& invitation) {
  std::string text;
  for (const auto& address : invitation.addresses) text += (text.empty() ? "" : "+") + address;
  text += "," + std::to_string(invitation.port) + ",";
  constexpr std::string_view digits = "0123456789abcdef";
  for (const auto byte : invitation.token) {
    text += digits[std::to_integer<std::size_t>(byte >> 4)];
    text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

std::optional<liveness::Invitation> parse_report_text(const std::string& text) {
  const std::size_t first = text.find(',');
  const std::size_t second = first == std::string::npos ? first : text.find(',', first + 1);
  if (second == std::string::npos) return std::nullopt;
  liveness::Invitation found;
  const std::string addresses = text.substr(0, first);
  for (std::size_t at = 0; at <= addresses.size() && found.addresses.size() < kMostAddresses;) {
    const std::size_t end = std::min(addresses.find('+', at), addresses.size());
    if (end > at) found.addresses.push_back(addresses.substr(at, end - at));
    at = end + 1;
  }
  const char* const port_end = text.data() + second;
  const auto [end, error] = std::from_chars(text.data() + first + 1, port_end, found.port);
  if (found.addresses.empty() || error != std::errc() || end != port_end || found.port == 0) return std::nullopt;
  const std::string hex = text.substr(second + 1);
  if (hex.size() != 2 * found.token.size()) return std::nullopt;
  for (std::size_t i = 0; i < found.token.size(); ++i) {
    const auto high = hex_digit(hex[2 * i]);
    const auto low = hex_digit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    found.token[i] = static_cast<std::byte>(*high << 4 | *low);
  }
  return found;
}

void take_report_variable() noexcept {
  try {
    const char* const text = std::getenv(kReportVariable);
    if (text == nullptr) return;
    g_invitation = parse_report_text(text);
    ::unsetenv(kReportVariable);
  } catch (...) {  // for want of memory: then rankpool-run learns nothing
  }
}

int report_start() noexcept {
  try {
    take_report_variable();
    if (const auto& to = g_invitation) {
      ReportRecord record;
      record.token = to->token;
      record.kind = ReportRecord::Kind::started;
      g_line = connect_and_say(*to, record);
      record.kind = ReportRecord::Kind::holding;
      if (g_line >= 0) (void)!::send(g_line, &record, sizeof record, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } catch (...) {
  }
  return g_line;
}

std::optional<int> take_reported_signal(bool& ended) noexcept {
  static ReportRecord record;
  static std::size_t filled = 0;
  const ssize_t got = ::recv(g_line, reinterpret_cast<char*>(&record) + filled, sizeof record - filled, MSG_DONTWAIT);
  ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
  if (got <= 0 || (filled += static_cast<std::size_t>(got)) < sizeof record) return std::nullopt;
  filled = 0;
  const ReportRecord expected;
  if (record.magic != expected.magic || record.version != expected.version ||
      record.kind != ReportRecord::Kind::signal || !g_invitation ||
      !liveness::same_token(record.token, g_invitation->token)) {
    ended = true;
    return std::nullopt;
  }
  return record.wait_status;
}

bool report_exit(int wait_status) noexcept {
  bool told = false;
  try {
    take_report_variable();
    const auto& to = g_invitation;
    if (!to) return false;
    ReportRecord record;
    record.token = to->token;
    record.kind = ReportRecord::Kind::ended;
    record.wait_status = wait_status;
    told = g_line >= 0 && say(g_line, record, Clock::now() + kPatience);
    if (!told) {
      const int line = connect_and_say(*to, record);
      told = line >= 0;
      if (told) ::close(line);
    }
    if (g_line >= 0) ::close(std::exchange(g_line, -1));
  } catch (...) {
  }
  return told;
}

}  // namespace rankpool::launch
