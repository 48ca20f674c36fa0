#pragma once

#include <cstdint>

namespace rankpool::client {

/// In a worker: rank 0 says that a broadcast is gone, so what was decoded of it is not kept any longer.
void forget_shared(std::uint64_t id);

/// Around the time in which a rank is a worker itself: another root's objects have the same numbers as those that this
/// process has made as a root.
void put_objects_aside();
/// What tasks have decoded meanwhile is gone.
void take_objects_back();

}  // namespace rankpool::client
