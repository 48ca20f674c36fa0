#pragma once

#include "parallel/command.hpp"

#include <rankpool/rankpool.hpp>

/// Runs commands in a worker.
namespace rankpool::parallel {

/// The initializer of the workers. `pieces`: where output goes that is too much for a result, or is to be seen at once.
/// `time_limit`: seconds, where it varies.
void prepare_worker(CommandSettings settings, Queue<Piece> pieces, Value<double> time_limit);

/// The task: runs one command and returns when it has ended.
CommandResult run_command(const Command& command);

}  // namespace rankpool::parallel
