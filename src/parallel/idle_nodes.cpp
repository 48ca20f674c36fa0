#include "parallel/idle_nodes.hpp"

#include "parallel/numbers.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace rankpool::parallel {
namespace {

/// Slurm's controller serves all jobs of the cluster.
constexpr std::chrono::seconds kEvery{10};

/// Names go to a shell.
bool is_name(const std::string& text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
                              std::string::npos;
}

struct Answer {
  bool well = false;
  std::string text;
};

/// scontrol leaves scripts for an interactive shell where it is started.
Answer scontrol(const std::string& folder, const std::string& arguments) {
  const std::string command = "cd '" + folder + "' && timeout 10 scontrol " + arguments + " 2>&1";
  FILE* const stream = ::popen(command.c_str(), "r");
  if (stream == nullptr) return {};
  Answer answer;
  std::array<char, 256> part{};
  while (std::fgets(part.data(), static_cast<int>(part.size()), stream) != nullptr) answer.text += part.data();
  answer.well = ::pclose(stream) == 0;
  std::replace(answer.text.begin(), answer.text.end(), '\n', ' ');
  return answer;
}

}  // namespace

IdleNodes::IdleNodes(std::string tmpdir) : tmpdir_(std::move(tmpdir)) {
  const char* const job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr || !parse_number(job)) {
    throw std::runtime_error("--give-back-idle-nodes is for Slurm jobs: there is no SLURM_JOB_ID");
  }
  job_ = job;
}

std::string IdleNodes::give_back(const std::set<std::string>& all, const std::set<std::string>& needed,
                                 Clock::time_point now) {
  const auto& before = kept_.empty() ? all : kept_;
  const bool fewer = !needed.empty() && needed.size() < before.size() &&
                     std::includes(before.begin(), before.end(), needed.begin(), needed.end());
  if (failed_ || now < next_ || !fewer) return {};
  next_ = now + kEvery;
  std::string names;
  for (const auto& node : needed) {
    if (!is_name(node)) return {};
    names += (names.empty() ? "" : ",") + node;
  }
  std::string folder = tmpdir_ + "/rankpool-nodes-XXXXXX";
  if (folder.find('\'') != std::string::npos || ::mkdtemp(folder.data()) == nullptr) return {};
  const Answer answer = scontrol(folder, "update JobId=" + job_ + " NodeList=" + names);
  std::error_code none;
  std::filesystem::remove_all(folder, none);
  failed_ = !answer.well;
  if (failed_) return "--give-back-idle-nodes: Slurm does not take them: " + answer.text;
  const std::size_t given = before.size() - needed.size();
  kept_ = needed;
  return "gave " + std::to_string(given) + (given == 1 ? " idle node" : " idle nodes") + " back to Slurm";
}

}  // namespace rankpool::parallel
