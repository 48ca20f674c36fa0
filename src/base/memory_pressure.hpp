#pragma once

#include "base/node_memory.hpp"

namespace rankpool::base {

/// Whether the node, or the control group (cgroup) that this process is in, has little memory left: less than a
/// sixteenth of what there is. What can be read again from files counts as free. False where that cannot be told.
bool memory_is_short();

/// The same, as these files have it; one that is missing is empty.
bool memory_is_short(const FileContent& content_of);

}  // namespace rankpool::base
