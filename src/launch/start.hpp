#pragma once

#include "base/settings.hpp"

#include <string>
#include <vector>

namespace rankpool::launch {

/// Either `run` or `prepare` starts a program, and once: throws Error otherwise, and inside a task.
void claim_start(const char* name);
/// Reads the settings and puts those of the log in force.
base::Settings start_settings(std::vector<std::string>& warnings);

}  // namespace rankpool::launch
