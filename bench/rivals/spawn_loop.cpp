// What starting a program costs at the least: a loop of posix_spawn with so many in flight.
//   rival_spawn_loop COUNT IN-FLIGHT PROGRAM [ARGUMENTS...]

#include <spawn.h>
#include <sys/wait.h>
#include <cstdio>
#include <cstdlib>

extern char** environ;

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const long count = std::atol(argv[1]);
  const long in_flight = std::atol(argv[2]);
  long started = 0;
  for (long ended = 0; ended < count;) {
    while (started < count && started - ended < in_flight) {
      pid_t pid = 0;
      if (::posix_spawnp(&pid, argv[3], nullptr, nullptr, argv + 3, environ) != 0) {
        std::perror(argv[3]);
        return 1;
      }
      ++started;
    }
    if (::waitpid(-1, nullptr, 0) > 0) ++ended;
  }
  return 0;
}
