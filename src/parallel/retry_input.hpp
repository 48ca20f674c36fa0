#pragma once

#include "parallel/input.hpp"

#include <memory>
#include <string>

namespace rankpool::parallel {

/// The commands of a joblog that have failed and have not ended well since, as they stand there.
std::unique_ptr<Input> retry_input(const std::string& joblog);

}  // namespace rankpool::parallel
