#pragma once

#include "engine/engine.hpp"

#include <exception>
#include <functional>

namespace rankpool::launch {

/// Rank 0's part of `run`: starts the engine, calls `main`, and ends the job in order, also when the program leaves by
/// std::exit. Returns the exit status.
int serve_as_rank_zero(engine::EngineOptions options, const std::function<int(int, char**)>& main, int argc,
                       char** argv);

/// Says why there is no job, with the limit behind it. Returns the exit status.
int cannot_start(const std::exception& why) noexcept;

}  // namespace rankpool::launch
