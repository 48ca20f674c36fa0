#pragma once

#include "base/control_groups.hpp"
#include "base/settings.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace rankpool::base {

/// The number behind `name` at the beginning of a line.
std::optional<std::uint64_t> number_behind(const std::string& text, const std::string& name);

/// A control group (cgroup) with a limit of memory that this process counts for.
struct LimitedGroup {
  std::string folder;
  bool v2 = false;
  std::uint64_t limit = 0;
};
/// Calls `visit` for each, from its own group up, until that gives false.
void visit_limited_groups(const FileContent& content_of, const std::function<bool(const LimitedGroup&)>& visit);

/// Bytes that the job may use on this node: what the node has, or less, where Slurm gives the job less or a control
/// group limits it. 0 where that cannot be told.
std::uint64_t memory_of_job();
std::uint64_t memory_of_job(const FileContent& content_of, const Lookup& lookup);

/// "512 MiB", "1.5 GiB": for texts.
std::string bytes_text(std::uint64_t bytes);

}  // namespace rankpool::base
