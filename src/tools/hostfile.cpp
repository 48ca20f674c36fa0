#include "tools/hostfile.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace rankpool::tools {
namespace {

/// `word` up to what follows "slots=", if that is what it is. Spaces around the = are gone already.
std::optional<std::int64_t> slots_of(const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos) return std::nullopt;
  const std::string key = word.substr(0, equals);
  if (key != "slots" && key != "cpu" && key != "count") return std::nullopt;
  constexpr std::int64_t most = 1'000'000'000;  // so that sums of them fit
  std::int64_t number = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data() + equals + 1, end, number);
  if (error != std::errc() || stop != end || number < 0 || number > most) return std::nullopt;
  return number;
}

/// Without the comment, and with "slots = 4" as "slots=4".
std::string tidied(std::string line) {
  line.resize(std::min(line.find('#'), line.size()));
  std::string text;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const std::size_t next = line.find_first_not_of(" \t\r", at);
    if (next == std::string::npos) break;
    const bool gap = next > at;
    if (gap && !text.empty() && text.back() != '=' && line[next] != '=') text += ' ';
    text += line[next];
    at = next;
  }
  return text;
}

}  // namespace

std::vector<HostSlots> parse_hostfile(const std::string& text) {
  std::vector<HostSlots> hosts;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(tidied(line));
    std::string host;
    if (!(words >> host)) continue;
    host.erase(0, host.find('@') == std::string::npos ? 0 : host.find('@') + 1);
    std::optional<std::int64_t> slots;
    for (std::string word; words >> word;) {
      if (const auto number = slots_of(word)) slots = number;
    }
    const auto same = std::find_if(hosts.begin(), hosts.end(), [&](const HostSlots& one) { return one.host == host; });
    if (same == hosts.end()) {
      hosts.push_back({host, slots});
    } else {
      // A host that is named again without slots counts one more each time: more than is known already.
      same->slots = same->slots && slots ? std::optional(*same->slots + *slots) : std::nullopt;
    }
  }
  return hosts;
}

std::optional<std::int64_t> total_slots(const std::vector<HostSlots>& hosts) {
  std::int64_t total = 0;
  for (const auto& one : hosts) {
    if (!one.slots) return std::nullopt;
    total += *one.slots;
  }
  return total;
}

std::string describe(const std::vector<HostSlots>& hosts) {
  constexpr std::size_t most = 6;
  std::string text;
  for (std::size_t i = 0; i < hosts.size() && i < most; ++i) {
    text += (i == 0 ? "" : ", ") + hosts[i].host + ": " + (hosts[i].slots ? std::to_string(*hosts[i].slots) : "?");
  }
  if (hosts.size() > most) text += ", and " + std::to_string(hosts.size() - most) + " more";
  return text;
}

}  // namespace rankpool::tools
