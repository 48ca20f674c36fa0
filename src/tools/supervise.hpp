#pragma once

#include "tools/escalation.hpp"
#include "tools/plan.hpp"

#include <string>

namespace rankpool::tools {

/// Starts the plan's launcher, hands on signals, and waits until it has ended and nothing of it is left. Gives rank 0's
/// exit status. Explains itself on stderr when there is something to explain.
/// @throws std::system_error if the launcher cannot be started
int supervise(const Plan& plan, const Patience& patience, const std::string& interface);

}  // namespace rankpool::tools
