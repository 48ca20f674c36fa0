#pragma once

#include <functional>
#include <string>

namespace rankpool::base {

/// Gives the content of a file, or an empty text.
using FileContent = std::function<std::string(const std::string& path)>;
std::string content_of_file(const std::string& path);

/// Calls `visit` for each control group (cgroup) of this process that `controller` counts for, from its own up, until
/// that gives false. What holds for a group holds for all below it. `path`: within the hierarchy, empty for its root.
void visit_control_groups(const FileContent& content_of, const std::string& controller,
                          const std::function<bool(const std::string& path, bool v2)>& visit);

}  // namespace rankpool::base
