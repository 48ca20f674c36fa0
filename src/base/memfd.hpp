#pragma once

#include <string>

namespace rankpool::base {

/// Whether this is memory that `memfd_create` made under that name: what was opened by a number that another process
/// has told may have become anything else.
bool is_memfd(int fd, const std::string& name);

}  // namespace rankpool::base
