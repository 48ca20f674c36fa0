#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::tools {

/// One host of an Open MPI hostfile.
struct HostSlots {
  std::string host;
  std::optional<std::int64_t> slots;  ///< none: as many as the host has cores, which is not known here
};

/// The hosts of a hostfile's text, each once, the slots of repeated ones added up.
std::vector<HostSlots> parse_hostfile(const std::string& text);
/// All slots together; none if a host does not say.
std::optional<std::int64_t> total_slots(const std::vector<HostSlots>& hosts);
/// "n1: 2, n2: 2", shortened if there are many.
std::string describe(const std::vector<HostSlots>& hosts);

}  // namespace rankpool::tools
