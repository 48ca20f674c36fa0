#pragma once

#include "engine/remote_ranks.hpp"

#include <sys/types.h>
#include <string>

namespace rankpool::launch {

/// What this process says of itself as a rank.
engine::OwnFacts own_facts(pid_t keeper);
/// The path of the running program.
std::string program_path();

}  // namespace rankpool::launch
