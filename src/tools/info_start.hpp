#pragma once

#include "base/settings.hpp"
#include "tools/info_sight.hpp"

namespace rankpool::tools {

/// Reads how this program was started. Call it before `run`, which removes some of what it reads.
Start read_start(const base::Lookup& lookup);

}  // namespace rankpool::tools
