#pragma once

#include <sys/types.h>
#include <vector>

/// The processes of commands as their worker sees them: it adopts those whose parent has ended.
namespace rankpool::parallel {

/// From now on orphans of this process's commands become its children; SIGTERM from its keeper, and the keeper's end,
/// end all of them and then this process.
void keep_processes_of_commands();

/// The children of this process that still run; those that have ended are reaped.
std::vector<pid_t> living_children();

/// Ends a command and what it has started: SIGTERM to its process group, three times within 0.35 s, then SIGKILL to it
/// and to all children of this process that are not in `spared`. Returns how waitpid tells the command's end.
int end_command(pid_t command, const std::vector<pid_t>& spared);

}  // namespace rankpool::parallel
