#pragma once

#include <string>

namespace rankpool::parallel {

std::string help_text();
std::string version_text();

}  // namespace rankpool::parallel
