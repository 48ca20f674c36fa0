#pragma once

#include "tools/info_diagnosis.hpp"

#include <cstddef>
#include <string>

namespace rankpool::tools {

/// The text that rankpool-info prints, with at most so many lines for ranks and for nodes.
std::string report(const Sight& sight, const Diagnosis& diagnosis, std::size_t most_lines);

}  // namespace rankpool::tools
