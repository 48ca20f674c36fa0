#pragma once

#include "parallel/command.hpp"
#include "parallel/options.hpp"

#include <optional>

/// What follows from options and environment.
namespace rankpool::parallel {

CommandSettings settings_of(const Options& options);

/// Percentages need the number of commands before they are run.
bool needs_total(const Options& options);

/// Commands at a time on a node with this one's cores; nothing: as many as the library has workers there.
std::optional<int> jobs_on_each_node(const Options& options);

/// Tells the library of this rank's share: before `run`.
void set_workers_of_rank(const Options& options);

}  // namespace rankpool::parallel
