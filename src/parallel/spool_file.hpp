#pragma once

#include <string>

namespace rankpool::parallel {

/// A file without a name in that folder: nothing is left of it however its users end. Close-on-exec.
/// Throws std::system_error, with the folder.
int make_spool_file(const std::string& folder);

/// $TMPDIR if that is there on this node, else /tmp; `chosen` if that is not empty.
std::string spool_folder(const std::string& chosen);

/// All of it. Throws std::system_error.
void write_fully(int file, const char* bytes, std::size_t size);

}  // namespace rankpool::parallel
