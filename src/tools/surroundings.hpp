#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::tools {

/// Whether there is a program under a name.
enum class ProgramState { runnable, not_executable, missing };

struct FoundProgram {
  ProgramState state = ProgramState::missing;
  std::string path;  ///< where; empty if it is missing
};

/// A file's text, or why there is none.
struct FileText {
  std::optional<std::string> text;
  std::string error;
};

/// All that the plan asks of the world. The functions are called when they are needed, since some of them start a
/// program.
struct Surroundings {
  std::function<std::optional<std::string>(const std::string& name)> variable;  ///< of the environment
  std::function<std::vector<std::string>()> rankpool_variables;       ///< names of those that begin with RANKPOOL_
  std::function<FoundProgram(const std::string& name)> find_program;  ///< as the shell finds it
  std::function<FileText(const std::string& path)> read_file;
  std::function<std::string()> mpirun_version;  ///< what `mpirun --version` prints
  std::function<std::string()> srun_mpi_types;  ///< what `srun --mpi=list` prints
  /// What `ompi_info --parsable --level 9 --param mca base` prints: settings from the environment and from files.
  std::function<std::string()> open_mpi_settings;
};

/// The real ones.
Surroundings real_surroundings();

}  // namespace rankpool::tools
