#pragma once

#include <exception>
#include <string>

namespace rankpool::base {

/// What an error number means, with the limit of this process that it is about: "Too many open files: this process may
/// have 10 (ulimit -n)".
std::string error_text(int error);
/// The text of an exception, with the limit behind it if it is for want of something that is limited.
std::string explain(const std::exception& error);

}  // namespace rankpool::base
