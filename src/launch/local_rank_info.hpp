#pragma once

#include "base/settings.hpp"
#include "engine/remote_ranks.hpp"
#include "wire/messages.hpp"

#include <sys/types.h>
#include <string>

namespace rankpool::launch {

/// What this process says of itself as a rank.
engine::LocalRankInfo local_rank_info(pid_t keeper);
/// How a rank introduces itself to the root.
wire::Hello hello_of(const engine::LocalRankInfo& own, const base::Settings& settings);
/// The path of the running program.
std::string program_path();

}  // namespace rankpool::launch
