#pragma once

#include "base/settings.hpp"
#include "engine/remote_ranks.hpp"
#include "wire/messages.hpp"

#include <sys/types.h>
#include <string>

namespace rankpool::launch {

/// What this process says of itself as a rank.
engine::OwnFacts own_facts(pid_t keeper);
/// How a rank introduces itself to the root.
wire::Hello hello_of(const engine::OwnFacts& own, const base::Settings& settings);
/// The path of the running program.
std::string program_path();

}  // namespace rankpool::launch
