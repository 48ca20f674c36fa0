#pragma once

#include <string_view>

namespace rankpool::launch {

/// Whether this variable makes a process a rank of the MPI job that it stands in: its value is for the rank alone, and
/// a program that a task starts would take itself for that rank, mpirun above all. What a user sets to steer Open MPI
/// is none of these.
bool is_variable_of_rank(std::string_view name);

/// Removes them from this process's environment.
void forget_variables_of_rank();

}  // namespace rankpool::launch
