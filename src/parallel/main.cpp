#include "parallel/driver.hpp"
#include "parallel/retry_input.hpp"
#include "parallel/settings.hpp"
#include "parallel/shell_words.hpp"
#include "parallel/start.hpp"

#include <rankpool/run.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
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
    rules.repeat_words = options.repeat_words;
    rules.names = input->names();
    auto command = Template::parse(retry ? std::vector<std::string>() : options.command, rules);
    if (const auto* const problem = std::get_if<Template::Problem>(&command)) return fail(problem->text);
    Driver driver(options, std::move(input), std::get<Template>(std::move(command)));
    return driver.run();
  } catch (const std::exception& e) {
    return fail(e.what());
  }
}

/// Options that the variable PARALLEL holds come first. `arguments` becomes what has all of them, wherever this program
/// is started anew.
std::variant<Options, Leave> read_options(std::vector<std::string>& arguments) {
  const char* const variable = std::getenv("PARALLEL");
  if (variable == nullptr) return parse_options(arguments);
  const auto words = split_words(variable);
  if (!words) return Leave{kOwnError, "rankpool-parallel: the variable PARALLEL ends within quotes\n"};
  std::vector<std::string> all = *words;
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto parsed = parse_options(all);
  auto* const leave = std::get_if<Leave>(&parsed);
  if (leave != nullptr || std::get<Options>(parsed).plain) {
    auto own = parse_options(arguments);
    if (const auto* const options = std::get_if<Options>(&own); options != nullptr && options->plain) return own;
  }
  if (leave != nullptr && leave->status != 0) {
    leave->text += "(the variable PARALLEL holds options, too; --plain leaves them out)\n";
  }
  arguments = std::move(all);
  arguments.insert(arguments.begin(), "--plain");
  return parsed;
}

int start(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto parsed = read_options(arguments);
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
