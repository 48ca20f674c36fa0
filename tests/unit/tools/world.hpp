#pragma once

#include "tools/plan.hpp"
#include "tools/surroundings.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace rankpool::tools {

/// Surroundings as a test wants them: a machine with Open MPI 4, no Slurm job, and the program ./prog.
struct World {
  std::map<std::string, std::string> variables;
  std::map<std::string, ProgramState> programs{
      {"mpirun", ProgramState::runnable}, {"srun", ProgramState::runnable}, {"./prog", ProgramState::runnable}};
  std::map<std::string, std::string> files;
  std::string mpirun_version = "mpirun (Open MPI) 4.1.4\n\nReport bugs to ...\n";
  std::string srun_mpi_types = "MPI plugin types are...\n\tnone\n\tpmi2\n\tpmix\n";
  std::string open_mpi_settings = "mca:mca:base:param:mca_base_env_list:value:\n";
  Layout layout;

  World() { layout.program = {"./prog"}; }

  /// In a Slurm job of so many nodes with 4 cores each.
  World& in_slurm(int nodes) {
    variables["SLURM_JOB_ID"] = "17";
    variables["SLURM_NNODES"] = std::to_string(nodes);
    variables["SLURM_JOB_NUM_NODES"] = std::to_string(nodes);
    variables["SLURM_JOB_CPUS_PER_NODE"] = nodes == 1 ? "4" : "4(x" + std::to_string(nodes) + ")";
    return *this;
  }

  [[nodiscard]] Surroundings surroundings() const {
    return {
        .variable = [this](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          return found == variables.end() ? std::nullopt : std::optional(found->second);
        },
        .rankpool_variables =
            [this] {
              std::vector<std::string> names;
              for (const auto& [name, value] : variables) {
                if (name.starts_with("RANKPOOL_")) names.push_back(name);
              }
              return names;
            },
        .find_program = [this](const std::string& name) -> FoundProgram {
          const auto found = programs.find(name);
          if (found == programs.end()) return {};
          return {found->second, name.find('/') == std::string::npos ? "/usr/bin/" + name : name};
        },
        .read_file = [this](const std::string& path) -> FileText {
          const auto found = files.find(path);
          if (found == files.end()) return {std::nullopt, "No such file or directory"};
          return {found->second, ""};
        },
        .mpirun_version = [this] { return mpirun_version; },
        .srun_mpi_types = [this] { return srun_mpi_types; },
        .open_mpi_settings = [this] { return open_mpi_settings; },
    };
  }

  [[nodiscard]] Plan plan() const {
    const auto made = make_plan(layout, surroundings());
    if (const auto* const refusal = std::get_if<Refusal>(&made)) {
      ADD_FAILURE() << "refused: " << refusal->text;
      return {};
    }
    return std::get<Plan>(made);
  }
  [[nodiscard]] std::string command() const { return shell_text(plan()); }
  [[nodiscard]] Refusal refusal() const {
    const auto made = make_plan(layout, surroundings());
    if (const auto* const plan = std::get_if<Plan>(&made)) {
      ADD_FAILURE() << "planned: " << shell_text(*plan);
      return {};
    }
    return std::get<Refusal>(made);
  }
};

}  // namespace rankpool::tools
