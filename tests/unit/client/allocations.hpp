#pragma once

#include <cstddef>

namespace rankpool::inline v0_2::detail {

/// The largest request that operator new got in this thread since the last call of `forget_allocations`.
std::size_t largest_allocation() noexcept;
void forget_allocations() noexcept;

}  // namespace rankpool::inline v0_2::detail
