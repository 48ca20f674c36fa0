#pragma once

#include <cstdio>
#include <string>

namespace rankpool::tools {

/// A line of rankpool-run's own to stderr.
inline void say(const std::string& text) { std::fputs(("rankpool-run: " + text + "\n").c_str(), stderr); }

}  // namespace rankpool::tools
