#pragma once

#include <cstddef>
#include <string>

namespace rankpool::base {

/// Whether this is memory that `memfd_create` made under that name: what was opened by a number that another process
/// has told may have become anything else.
bool is_memfd(int fd, const std::string& name);

/// Makes such memory so large. Throws std::system_error, also where a limit on the size of files forbids it, which
/// would otherwise end the process by SIGXFSZ.
void resize(int fd, std::size_t size);

}  // namespace rankpool::base
