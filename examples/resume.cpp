// A job that is longer than its time limit: asked to stop it finishes what runs, saves what it has, and goes on from
// there when it is started again. Slurm asks with `#SBATCH --signal=USR1@60`, a terminal with Ctrl-C.
//   resume RESULTS [ITEMS [MILLISECONDS-EACH]]
// Exit status 0: all results are there; 75: asked to stop before that.
#include <rankpool/rankpool.hpp>

#include <chrono>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

long work(int item, int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return static_cast<long>(item) * item;
}

int app(int argc, char** argv) {
  const std::string file = argc > 1 ? argv[1] : "results.txt";
  const int items = argc > 2 ? std::stoi(argv[2]) : 100;
  const int milliseconds = argc > 3 ? std::stoi(argv[3]) : 100;

  std::set<int> saved;
  std::ifstream before(file);
  for (long item = 0, result = 0; before >> item >> result;) saved.insert(static_cast<int>(item));
  if (!saved.empty()) std::cout << "going on after " << saved.size() << " results\n";

  std::vector<int> left;
  for (int item = 0; item < items; ++item) {
    if (!saved.contains(item)) left.push_back(item);
  }
  rankpool::ProcessPoolExecutor executor({.on_stop = rankpool::OnStop::finish_running});
  auto results = executor.map({.chunksize = 1}, work, left, std::vector<int>(left.size(), milliseconds));
  std::ofstream out(file, std::ios::app);
  for (const int item : left) {
    try {
      const long result = results.next().value();
      out << item << ' ' << result << std::endl;
      saved.insert(item);
    } catch (const rankpool::CancelledError&) {  // it had not begun
    }
  }
  if (static_cast<int>(saved.size()) == items) {
    std::cout << "all " << items << " results are there\n";
    return 0;
  }
  std::cout << "stopped with " << saved.size() << " of " << items << " results; start me again\n";
  return 75;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
