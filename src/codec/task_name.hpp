#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rankpool::codec {

/// What a task is called whose code reference and encoded callable these bytes are: "fit(double)". Empty if that cannot
/// be told. Never throws but for want of memory.
std::string name_of_task(std::span<const std::byte> head);

}  // namespace rankpool::codec
