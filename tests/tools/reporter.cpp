// Stands in for rank 0's keeper where a test's own "mpirun" is a script.
//   reporter exited CODE | killed SIGNAL | vanishes
#include "launch/report.hpp"

#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const int number = argc > 2 ? std::atoi(argv[2]) : 0;
  rankpool::launch::report_start();
  if (what == "vanishes") return 0;
  rankpool::launch::report_exit(what == "killed" ? number : number << 8);
  return 0;
}
