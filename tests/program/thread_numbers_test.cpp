#include "program_run.hpp"

// How many threads the libraries that have their own use in tasks.
namespace rankpool::tools {
namespace {

class ThreadNumbers : public Launched {
 protected:
  static Ended start(const std::string& way, const Words& variables = {}) {
    return run(GetParam(), {PROGRAM_THREAD_NUMBERS, way, PROGRAM_OPENBLAS, PROGRAM_MKL}, variables);
  }
};

TEST_P(ThreadNumbers, is_one_in_each_worker) {
  const Ended ended = start("default");
  EXPECT_EQ(ended.out, "OpenMP 1, region 1, BLAS 1, MKL 1, variable 1\n");
  EXPECT_EQ(ended.err, "");
}

TEST_P(ThreadNumbers, is_threads_per_worker_and_there_are_fewer_workers) {
  EXPECT_EQ(start("two").out,
            "OpenMP 2, region 2, BLAS 2, MKL 2, variable 2\n1\nOpenMP 3, region 3, BLAS 3, MKL 3, variable 3\n"
            "threads_per_worker must be greater than 0\n");
}

TEST_P(ThreadNumbers, that_the_user_has_set_is_left) {
  EXPECT_EQ(start("default", {"OMP_NUM_THREADS=5"}).out, "OpenMP 5, region 5, BLAS 64, MKL 64, variable 5\n");
  EXPECT_EQ(start("default", {"OPENBLAS_NUM_THREADS=5"}).out, "OpenMP 1, region 1, BLAS 64, MKL 1, variable 1\n");
  EXPECT_EQ(start("default", {"MKL_NUM_THREADS=5"}).out, "OpenMP 1, region 1, BLAS 1, MKL 64, variable 1\n");
}

TEST_P(ThreadNumbers, that_the_program_has_set_is_left) {
  EXPECT_EQ(start("told").out, "OpenMP 3, region 3, BLAS 3, MKL 1, variable none\n");
}

TEST_P(ThreadNumbers, of_a_program_that_has_used_open_mp_before_run) {  // SUB-39
  const Ended ended = start("used");
  EXPECT_EQ(ended.out, "OpenMP 1, region 1, BLAS 1, MKL 1, variable 1\n");
  EXPECT_EQ(ended.err, "");  // the threads of that region are not there any more
}

INSTANTIATE_TEST_SUITE_P(Program, ThreadNumbers, testing::Values(0, 2), name_of_launch);

}  // namespace
}  // namespace rankpool::tools
