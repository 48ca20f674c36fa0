#pragma once

#include <string>

namespace rankpool::group {

/// Why tasks of several ranks cannot run on this machine, in half a sentence; empty if they can. Loads libpmix.
std::string trouble();

}  // namespace rankpool::group
