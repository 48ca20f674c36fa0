// A program whose main() does something before run(): it is done in each spawned worker too.

#include <rankpool/rankpool.hpp>

#include <gtest/gtest.h>

#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <string>

std::string g_text_before_run;  // spawn_test.cpp looks at it in workers

namespace {

/// A fresh execution of this program as a worker, as its environment was when it began.
bool is_spawned() { return std::getenv("RANKPOOL_SPAWNED") != nullptr; }

/// A pool of spawned workers, which all end before they serve. What its future throws goes to standard output.
int say_how_it_broke() {
  rankpool::ProcessPoolExecutor executor(
      rankpool::ExecutorOptions{.max_workers = 1, .mp_context = rankpool::MpContext::spawn});
  try {
    executor.submit([] { return 1; }).result();
  } catch (const rankpool::BrokenProcessPool& e) {
    std::puts(e.what());
    return 0;
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string which = argc > 1 ? argv[1] : "";
  if (which == "never_serves" && is_spawned()) return 3;
  if (which == "closes_all" && is_spawned()) {
    for (int fd = 3; fd < 1024; ++fd) ::close(fd);
  }
  if (which == "never_serves" || which == "closes_all") return rankpool::run(argc, argv, say_how_it_broke);

  if (::chdir("/") == 0) g_text_before_run = "set before run()";
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    g_text_before_run = "set in the program";
    ::testing::InitGoogleTest(&count, arguments);
    if (::testing::UnitTest::GetInstance()->total_test_count() == 0) return 3;
    return RUN_ALL_TESTS();
  });
}
