#pragma once

#include "tools/info_sight.hpp"

#include <string>
#include <vector>

namespace rankpool::tools {

/// What is to be thought of what was seen.
struct Diagnosis {
  std::string problem;              ///< why programs will not run as they should; empty if they will
  std::vector<std::string> advice;  ///< what would make it better, the most important first
};

Diagnosis diagnose(const Sight& sight);

}  // namespace rankpool::tools
