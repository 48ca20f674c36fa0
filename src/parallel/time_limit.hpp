#pragma once

namespace rankpool::parallel {

/// When this Slurm job's time is over, in seconds since 1970. Throws std::runtime_error outside of a Slurm job, and if
/// Slurm does not say.
double job_end_time();

}  // namespace rankpool::parallel
