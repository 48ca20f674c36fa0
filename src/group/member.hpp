#pragma once

#include <cstddef>
#include <span>

namespace rankpool::group {

/// Makes this process a rank of its group: initialises MPI with what its nursery has said of it, an encoded list of one
/// environment.
void join_group(std::span<const std::byte> environment);
/// Finalises MPI.
void leave_group();

}  // namespace rankpool::group
