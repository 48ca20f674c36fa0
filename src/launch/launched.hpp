#pragma once

#include "base/inheritance.hpp"
#include "base/settings.hpp"
#include "channel/channel.hpp"

#include <sys/types.h>
#include <functional>
#include <string>
#include <vector>

namespace rankpool::launch {

/// True if mpirun or srun started this process as a rank of a job.
bool is_launched();

/// The process that the launcher started stays behind as keeper, its child becomes the MPI process.
int run_launched(int argc, char** argv, const base::Settings& settings, const std::vector<std::string>& warnings,
                 const base::Stock& stock, const std::function<int(int, char**)>& main);

/// The life of a worker process.
void serve_tasks(channel::Channel channel, channel::RankPage* page, int wake);

}  // namespace rankpool::launch
