#pragma once

/// OpenMP, OpenBLAS and MKL: libraries that start as many threads in a process as the node has cores, unless they are
/// told. Looked up when they are needed: nothing links with them.
namespace rankpool::launch {

/// Ends the threads that OpenMP keeps from regions that the program has run already: a forked process would wait for
/// them for ever. In the program, before the first fork. They come back with the next region.
void end_idle_openmp_threads();

/// Notes which of them the program has told a number of threads, by a variable or a call, before the first fork.
void note_thread_numbers();

/// In a worker: tells them how many threads to use, unless the user has; also those that are loaded later, and programs
/// that tasks start.
void limit_threads(int number);

}  // namespace rankpool::launch
