#pragma once

#include "tools/plan.hpp"

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace rankpool::tools {

/// What rankpool-run's command line asks for.
struct Request {
  enum class Mode { run, dry_run } mode = Mode::run;
  Layout layout;
  std::chrono::milliseconds grace{5000};
};

/// Something to print and leave: the help, or a complaint.
struct Leave {
  int status = 0;
  std::string text;
};

/// @param arguments  without the program's name
std::variant<Request, Leave> parse_arguments(const std::vector<std::string>& arguments);

}  // namespace rankpool::tools
