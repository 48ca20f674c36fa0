#pragma once

#include "worker/frame_line.hpp"

#include <cstddef>
#include <span>

namespace rankpool::group {

/// The life of a nursery: the PMIx server of a group on one node. Its processes of the group find it through their
/// environment; what concerns other nodes goes through the engine. It works until it is killed, when the last of them
/// is gone: `plan` is an encoded GroupPlan.
[[noreturn]] void serve_group(std::span<const std::byte> plan, worker::FrameLine& line);

}  // namespace rankpool::group
