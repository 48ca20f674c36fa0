#pragma once

#include <string>

namespace rankpool::tools {

/// The word as a shell takes it: as it is if that is safe, else in single quotes.
std::string shell_quoted(const std::string& word);

}  // namespace rankpool::tools
