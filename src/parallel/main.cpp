#include "parallel/driver.hpp"
#include "parallel/retry_input.hpp"
#include "parallel/settings.hpp"
#include "parallel/start.hpp"

#include <rankpool/run.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

namespace rankpool::parallel {
namespace {

int fail(const std::string& what) {
  std::fputs(("rankpool-parallel: " + what + "\n").c_str(), stderr);
  return kOwnError;
}

/// Rank 0: everything but the commands themselves.
int drive(const Options& options) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const bool retry = options.resume == Resume::retry_failed;
    auto input = retry ? retry_input(options.joblog) : make_input(options);
    Template::Rules rules;
    rules.replacement = options.replacement;
    rules.quote_words = options.quote;
    rules.append = !options.pipe;
    rules.names = input->names();
    auto command = Template::parse(retry ? std::vector<std::string>() : options.command, rules);
    if (const auto* const problem = std::get_if<Template::Problem>(&command)) return fail(problem->text);
    Driver driver(options, std::move(input), std::get<Template>(std::move(command)));
    return driver.run();
  } catch (const std::exception& e) {
    return fail(e.what());
  }
}

int start(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto parsed = parse_options(arguments);
  if (const auto* const leave = std::get_if<Leave>(&parsed)) {
    std::fputs(leave->text.c_str(), leave->status == 0 ? stdout : stderr);
    return leave->status;
  }
  const auto& options = std::get<Options>(parsed);
  try {
    go_where_the_nodes_are(options, arguments);
  } catch (const std::exception& e) {
    return fail(e.what());
  }
  set_workers_of_rank(options);
  return run(argc, argv, [&options]() -> int { return drive(options); });
}

}  // namespace
}  // namespace rankpool::parallel

int main(int argc, char** argv) { return rankpool::parallel::start(argc, argv); }
