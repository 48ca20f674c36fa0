#pragma once

#include <functional>
#include <string>

namespace rankpool::base {

/// Whether the node, or the control group (cgroup) that this process is in, has little memory left: less than a
/// sixteenth of what there is. What can be read again from files counts as free. False where that cannot be told.
bool memory_is_short();

/// The same, as these files have it; one that is missing is empty.
bool memory_is_short(const std::function<std::string(const std::string& path)>& content_of);

}  // namespace rankpool::base
