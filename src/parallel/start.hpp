#pragma once

#include "parallel/options.hpp"

#include <string>
#include <vector>

namespace rankpool::parallel {

/// Becomes rankpool-run with this program where that starts it on more than this machine: inside a Slurm job, or with
/// --hostfile. Returns if it is to run where it is. Throws std::runtime_error if rankpool-run cannot be started.
void go_where_the_nodes_are(const Options& options, const std::vector<std::string>& arguments);

}  // namespace rankpool::parallel
