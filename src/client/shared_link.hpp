#pragma once

#include <cstdint>

namespace rankpool::client {

/// In a worker: rank 0 says that a broadcast is gone, so what was decoded of it is not kept any longer.
void forget_shared(std::uint64_t id);

}  // namespace rankpool::client
