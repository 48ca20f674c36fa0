#include "parallel/settings.hpp"

#include "parallel/numbers.hpp"

#include <unistd.h>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

extern char** environ;

namespace rankpool::parallel {
namespace {

constexpr const char* kWorkers = "RANKPOOL_WORKERS";

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// What the environment had under that name before this program changed it.
std::optional<std::string>& workers_before() {
  static std::optional<std::string> value;
  return value;
}

}  // namespace

CommandSettings settings_of(const Options& options) {
  CommandSettings settings;
  settings.shell = variable("PARALLEL_SHELL");
  if (settings.shell.empty()) settings.shell = variable("SHELL");
  if (settings.shell.empty()) settings.shell = "/bin/sh";
  for (const auto& name : options.env) {
    if (name == "_") {
      for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const auto equals = text.find('=');
        if (equals != std::string::npos) settings.env.emplace_back(text.substr(0, equals), text.substr(equals + 1));
      }
      continue;
    }
    if (std::getenv(name.c_str()) != nullptr) settings.env.emplace_back(name, variable(name.c_str()));
    // A function of bash that was exported.
    const std::string function = "BASH_FUNC_" + name + "%%";
    if (std::getenv(function.c_str()) != nullptr) settings.env.emplace_back(function, variable(function.c_str()));
  }
  settings.env.emplace_back("PARALLEL_PID", std::to_string(::getpid()));
  if (workers_before()) {
    settings.env.emplace_back(kWorkers, *workers_before());
  } else {
    settings.unset.emplace_back(kWorkers);
  }
  // A worker sets these for its tasks; a command has as many threads as it would have by itself.
  for (const char* const name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}) {
    if (std::getenv(name) == nullptr) settings.unset.emplace_back(name);
  }
  settings.tmpdir = options.tmpdir;
  if (!options.workdir.empty()) settings.workdir = std::filesystem::absolute(options.workdir).string();
  settings.output = options.output;
  settings.tell_rank = options.give_back_idle_nodes;
  if (options.timeout) {
    settings.timeout_varies = options.timeout->kind == TimeLimit::Kind::percent_of_median;
    if (!settings.timeout_varies) settings.timeout = options.timeout->value;
  }
  return settings;
}

bool needs_total(const Options& options) {
  const bool percent = options.halt.when != Halt::When::never && options.halt.percent;
  return percent || options.progress == Options::Progress::bar || options.progress == Options::Progress::eta;
}

std::optional<int> jobs_on_each_node(const Options& options) {
  if (options.jobs.kind == Jobs::Kind::all_cores) return std::nullopt;
  return jobs_on_node(options.jobs, static_cast<int>(std::thread::hardware_concurrency()));
}

void set_workers_of_rank(const Options& options) {
  const auto jobs = jobs_on_each_node(options);
  const char* const before = std::getenv(kWorkers);
  if (before != nullptr) workers_before() = before;
  if (!jobs) return;
  const int ranks_here = parse_positive(variable("OMPI_COMM_WORLD_LOCAL_SIZE")).value_or(1);
  ::setenv(kWorkers, std::to_string((*jobs + ranks_here - 1) / ranks_here).c_str(), 1);
}

}  // namespace rankpool::parallel
