#pragma once

#include <optional>
#include <string>

namespace rankpool::base {

/// The name of a signal, "SIGSEGV"; "signal 77" for one that has none.
std::string signal_name(int signal);

/// What waitpid says of a process that ended.
struct HowItEnded {
  std::optional<int> exit_code;
  std::string signal;  ///< name, or empty
  std::string text;    ///< "ended by SIGSEGV", "ended with exit code 99"
};
HowItEnded how_it_ended(int wait_status);

}  // namespace rankpool::base
