#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::base {

/// A number of Slurm's environment, up to a thousand million, so that what is made of it fits; none if it is no such.
std::optional<std::int64_t> slurm_number(const std::string& text);

/// "4(x2)" is 4, twice.
struct SlurmItem {
  std::int64_t number = 0;
  std::int64_t times = 1;
};
/// Reads a list like "4(x2),2", which has an item for each run of equal nodes; none if it is no such list.
std::optional<std::vector<SlurmItem>> read_slurm_list(const std::string& text);

}  // namespace rankpool::base
