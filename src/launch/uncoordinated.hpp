#pragma once

#include "base/settings.hpp"

#include <string>

namespace rankpool::launch {

/// Processes that one launcher has started and that know nothing of each other: each takes itself for the whole job.
struct Uncoordinated {
  int count = 1;
  int number = 0;  ///< of this one
  std::string advice;
};

/// Looks whether this process is one of those, if it was started bare.
Uncoordinated find_uncoordinated(const base::Lookup& lookup);

}  // namespace rankpool::launch
