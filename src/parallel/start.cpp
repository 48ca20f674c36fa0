#include "parallel/start.hpp"

#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace rankpool::parallel {
namespace {

bool has(const char* name) { return std::getenv(name) != nullptr; }

/// A launcher's child already: mpirun's, or a task of srun's.
bool is_launched() { return has("OMPI_COMM_WORLD_SIZE") || has("PMIX_RANK") || has("PMI_RANK"); }

}  // namespace

void go_where_the_nodes_are(const Options& options, const std::vector<std::string>& arguments) {
  if (is_launched() || options.dry_run) return;
  if (options.hostfile.empty() && !has("SLURM_JOB_ID")) return;
  std::error_code none;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", none);
  // Built or installed together; else wherever PATH has it.
  std::filesystem::path tool = "rankpool-run";
  for (const auto& place :
       {own.parent_path() / "rankpool-run", own.parent_path().parent_path() / "tools" / "rankpool-run"}) {
    if (::access(place.c_str(), X_OK) == 0) {
      tool = place;
      break;
    }
  }
  std::vector<std::string> words{tool.string()};
  if (!options.hostfile.empty()) words.insert(words.end(), {"--hostfile", options.hostfile});
  words.insert(words.end(), {"--", own.string()});
  words.insert(words.end(), arguments.begin(), arguments.end());
  // srun would give its input to every rank, and wait for those that read none of it.
  ::setenv("SLURM_STDINMODE", "0", 0);
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(argv.front(), argv.data());
  throw std::runtime_error("cannot start " + tool.string() + ": " + std::strerror(errno));
}

}  // namespace rankpool::parallel
