#pragma once

#include <cstdint>
#include <string>

/// Descriptors of other processes of this node, which /proc shows. What is opened here by a number that another process
/// has told is looked at before it is used.
namespace rankpool::base {

/// The name space in which numbers of processes mean something to this process; 0 if that cannot be told.
std::uint64_t own_pid_space();

/// Opens what that process has open under that number, if it is memory that `memfd_create` made under that name: for
/// reading and writing. -1, and a reason in errno, if it is not or cannot be had.
int open_foreign_memfd(std::int64_t pid, int fd, const std::string& name);

/// Opens that process's pipe, for writing; for reading too, so that nobody's end makes a writer's signal. -1, and a
/// reason in errno, if it is none.
int open_foreign_pipe(std::int64_t pid, int fd);

}  // namespace rankpool::base
