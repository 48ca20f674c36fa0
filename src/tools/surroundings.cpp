#include "tools/surroundings.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>

namespace rankpool::tools {
namespace {

ProgramState state_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return ProgramState::missing;
  return S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0 ? ProgramState::runnable
                                                                    : ProgramState::not_executable;
}

FoundProgram find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    const ProgramState state = state_of(name);
    return {state, state == ProgramState::missing ? "" : name};
  }
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  FoundProgram found;
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    const ProgramState state = state_of(candidate);
    if (state == ProgramState::runnable) return {state, candidate};
    struct stat info {};
    const bool folder_of_that_name = ::stat(candidate.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    if (state == ProgramState::not_executable && !folder_of_that_name && found.path.empty()) found = {state, candidate};
  }
  return found;
}

FileText read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {std::nullopt, std::strerror(errno)};
  std::ostringstream text;
  text << file.rdbuf();
  // A folder opens, and fails only when it is read.
  if (file.bad() || text.fail()) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {std::nullopt, "it is no file"};
  }
  return {text.str(), ""};
}

/// Both outputs of a command, which is a fixed text; cut off where no answer is as long.
std::string output_of(const char* command) {
  struct Close {
    void operator()(FILE* pipe) const { ::pclose(pipe); }
  };
  const std::unique_ptr<FILE, Close> pipe(::popen(command, "re"));
  std::string text;
  std::array<char, 4096> part;
  while (pipe && text.size() < 65'536) {
    const std::size_t got = std::fread(part.data(), 1, part.size(), pipe.get());
    if (got == 0) break;
    text.append(part.data(), got);
  }
  return text;
}

std::vector<std::string> rankpool_variables() {
  std::vector<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.starts_with("RANKPOOL_")) names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

}  // namespace

Surroundings real_surroundings() {
  return {
      .variable = [](const std::string& name) -> std::optional<std::string> {
        const char* const value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      },
      .rankpool_variables = rankpool_variables,
      .find_program = find_program,
      .read_file = read_file,
      .mpirun_version = [] { return output_of("mpirun --version 2>&1"); },
      .srun_mpi_types = [] { return output_of("srun --mpi=list 2>&1"); },
      .open_mpi_settings = [] { return output_of("ompi_info --parsable --level 9 --param mca base 2>/dev/null"); },
  };
}

}  // namespace rankpool::tools
