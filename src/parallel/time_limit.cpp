#include "parallel/time_limit.hpp"

#include "parallel/numbers.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>

namespace rankpool::parallel {
namespace {

/// What a command prints on its first line.
std::string first_line_of(const std::string& command) {
  const auto close = [](FILE* stream) { ::pclose(stream); };
  const std::unique_ptr<FILE, decltype(close)> stream(::popen(command.c_str(), "r"), close);
  std::array<char, 256> line{};
  if (!stream || std::fgets(line.data(), static_cast<int>(line.size()), stream.get()) == nullptr) return {};
  std::string text = line.data();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

double job_end_time() {
  const char* const known = std::getenv("SLURM_JOB_END_TIME");
  if (known != nullptr) {
    if (const auto seconds = parse_number(known)) return *seconds;
  }
  const char* const job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr || !parse_number(job))
    throw std::runtime_error("--stop-before is for Slurm jobs: there is no SLURM_JOB_ID");
  const std::string text = first_line_of(std::string("squeue -h -o %e -j ") + job + " 2>/dev/null");
  std::tm time{};
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time) == nullptr) {
    throw std::runtime_error("--stop-before: squeue does not say when the job ends, but '" + text + "'");
  }
  time.tm_isdst = -1;
  return static_cast<double>(std::mktime(&time));
}

}  // namespace rankpool::parallel
