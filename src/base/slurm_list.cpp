#include "base/slurm_list.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace rankpool::base {

std::optional<std::int64_t> slurm_number(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0 || number > 1'000'000'000) return std::nullopt;
  return number;
}

std::optional<std::vector<SlurmItem>> read_slurm_list(const std::string& text) {
  std::vector<SlurmItem> items;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    std::string item = text.substr(at, end - at);
    std::optional<std::int64_t> times = 1;
    if (const std::size_t open = item.find("(x"); open != std::string::npos) {
      if (item.back() != ')') return std::nullopt;
      times = slurm_number(item.substr(open + 2, item.size() - open - 3));
      item.resize(open);
    }
    const auto number = slurm_number(item);
    if (!number || !times) return std::nullopt;
    items.push_back({*number, *times});
    at = end + 1;
  }
  return items;
}

}  // namespace rankpool::base
