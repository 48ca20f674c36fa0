#pragma once

#include "channel/channel.hpp"

#include <optional>

/// Workers that are fresh executions of the program (MpContext::spawn): what their keeper hands them through exec.
///
/// It stands in RANKPOOL_SPAWNED: "PID,CHANNEL,PAGE,WAKE,TOKEN", the process that it is for, three descriptors, and in
/// hex the token that the page holds too. Who inherits the variable from such a process has another number; who makes
/// it up does not have the token.
namespace rankpool::keeper {

/// The descriptors.
struct Handover {
  int channel = -1;
  int page = -1;  ///< the memory of the RankPage
  int wake = -1;  ///< the end of a pipe to write to
};

/// Executes the program anew in this process, with the arguments, environment and working directory that it was started
/// with. Comes back only by an exception, std::system_error.
[[noreturn]] void execute_program(const Handover& handover, const channel::RankPage& page);

/// What such a worker serves with.
struct SpawnedWorker {
  channel::Channel channel;
  channel::RankPage* page = nullptr;
  int wake = -1;
};
/// Reads the variable and removes it from the environment. Nothing: this process is no such worker.
/// @throws std::runtime_error if it is one, and what it was given is not there any more
std::optional<SpawnedWorker> take_handover();

}  // namespace rankpool::keeper
