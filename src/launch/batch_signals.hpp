#pragma once

namespace rankpool::launch {

/// Slurm sends the signals of a job (`--signal`, `scancel`, the time limit) to each of its processes. They are meant
/// for the program, that is rank 0, which decides: in a worker those that Slurm itself sends do nothing, and those of
/// anybody else what they always do.
void shield_from_batch_system();

}  // namespace rankpool::launch
