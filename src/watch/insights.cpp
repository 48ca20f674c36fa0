#include <rankpool/insights.hpp>

#include "watch/size_text.hpp"
#include "watch/tally.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <set>
#include <sstream>
#include <string>

namespace rankpool::watch {
namespace {

using std::chrono::nanoseconds;

/// Below this part of the workers' time in tasks something is wrong.
constexpr double kEnoughInTasks = 0.75;
/// Work that is handed over by itself costs some microseconds: below this the handing over shows.
constexpr nanoseconds kShort = std::chrono::microseconds(100);
/// Of a worker's time; and nothing is said of the first moments.
constexpr double kMuchIdle = 0.25;
constexpr nanoseconds kWorthAWord = std::chrono::milliseconds(200);
/// Arguments of a task that are better sent once to each node.
constexpr std::uint64_t kLargeArguments = std::uint64_t{1} << 20U;

std::string text(const char* format, double value, const char* unit) {
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), format, value, unit);
  return out.data();
}

/// "3.2 us", "49.1 ms", "1.20 s", "2 h 3 min".
std::string length(nanoseconds time) {
  const auto ns = static_cast<double>(time.count());
  if (ns < 1e3) return text("%.0f %s", ns, "ns");
  if (ns < 1e6) return text("%.3g %s", ns / 1e3, "us");
  if (ns < 1e9) return text("%.3g %s", ns / 1e6, "ms");
  if (ns < 120e9) return text("%.3g %s", ns / 1e9, "s");
  const auto minutes = static_cast<long long>(std::llround(ns / 60e9));
  if (minutes < 120) return std::to_string(minutes) + " min";
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

std::string percent(double part) { return text("%.0f %s", part * 100, "%"); }

std::string count(std::uint64_t number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

double idle_part(const WorkerInsights& worker) {
  const nanoseconds life = worker.busy + worker.idle;
  return life.count() == 0 ? 0 : static_cast<double>(worker.idle.count()) / static_cast<double>(life.count());
}

std::string line_about(const WorkerInsights& worker) {
  return "worker " + std::to_string(worker.worker) + " (rank " + std::to_string(worker.rank) + " on " + worker.host +
         ", pid " + std::to_string(worker.pid) + "): " + length(worker.busy) + " busy, " + length(worker.idle) +
         " idle, " + count(worker.tasks, "task", "tasks");
}

}  // namespace

std::vector<std::string> advice_for(const Insights& all, const std::vector<nanoseconds>& idle_at_the_end) {
  std::vector<std::string> advice;
  const std::uint64_t ran = all.done + all.failed;
  if (all.lost != 0) {
    advice.push_back(count(all.lost, "task was", "tasks were") +
                     " lost with their workers: causes() of their exceptions says how these ended");
  }
  if (all.failed != 0 && all.failed * 10 >= ran) {
    advice.push_back(count(all.failed, "task", "tasks") + " of " + std::to_string(ran) +
                     " failed: look at the first one");
  }
  if (all.wall < kWorthAWord || ran == 0) return advice;
  const std::size_t workers = static_cast<std::size_t>(
      std::count_if(all.workers.begin(), all.workers.end(), [](const auto& w) { return w.tasks != 0; }));
  if (all.in_tasks < kEnoughInTasks && ran + all.unfinished < all.workers.size()) {
    advice.push_back(count(ran + all.unfinished, "task", "tasks") + " for " +
                     count(all.workers.size(), "worker", "workers") +
                     ": cut the work into more tasks, or ask for fewer workers");
    return advice;
  }
  if (all.in_tasks < kEnoughInTasks && all.mean < kShort) {
    advice.push_back("tasks of " + length(all.mean) + ": give larger chunks, or more work to each task");
    return advice;
  }
  // A worker that had nothing to do at the end, while others were still at their last tasks.
  std::size_t idlest = all.workers.size();
  for (std::size_t i = 0; i < all.workers.size(); ++i) {
    if (idle_part(all.workers[i]) < kMuchIdle || i >= idle_at_the_end.size()) continue;
    if (idlest == all.workers.size() || all.workers[i].idle > all.workers[idlest].idle) idlest = i;
  }
  if (idlest == all.workers.size()) return advice;
  const WorkerInsights& worker = all.workers[idlest];
  std::string sentence =
      "worker " + std::to_string(worker.worker) + " was idle for " + percent(idle_part(worker)) + " of the time";
  const nanoseconds shortest_end = *std::min_element(idle_at_the_end.begin(), idle_at_the_end.end());
  const nanoseconds waited = idle_at_the_end[idlest] - shortest_end;  // for the others
  if (workers > 1 && waited * 2 > worker.idle && !all.longest.empty() && all.longest.front().time * 2 >= waited) {
    sentence += ": it waited " + length(waited) + " for the last tasks of others, the longest took " +
                length(all.longest.front().time) + "; submit the longest first, or cut them up";
  } else if (waited * 2 > worker.idle && workers > 1) {
    sentence += ": it waited " + length(waited) +
                " for the last tasks of others; more and shorter tasks fill all workers to the end";
  } else if (ran != 0 && all.bytes_in / ran > kLargeArguments) {
    sentence += ": arguments of " + size_text(all.bytes_in / ran) + " for each task; broadcast what all of them share";
  } else {
    sentence += ": the program had nothing for it; submit ahead, or ask for fewer workers";
  }
  advice.push_back(std::move(sentence));
  return advice;
}

}  // namespace rankpool::watch

namespace rankpool::inline v0_2 {

std::ostream& operator<<(std::ostream& to, const Insights& all) {
  using namespace watch;
  const auto longest = [&](std::size_t i) {
    if (i >= all.longest.size()) return std::string("-");
    const TaskInsights& task = all.longest[i];
    return task.name + " #" + std::to_string(task.number) + ": " + length(task.time) + " on worker " +
           std::to_string(task.worker);
  };
  const auto by_busy = [](const WorkerInsights& a, const WorkerInsights& b) { return a.busy < b.busy; };
  const auto busiest = std::max_element(all.workers.begin(), all.workers.end(), by_busy);
  const auto idlest = std::max_element(all.workers.begin(), all.workers.end(),
                                       [](const auto& a, const auto& b) { return a.idle < b.idle; });
  std::set<int> ranks;
  for (const auto& worker : all.workers) ranks.insert(worker.rank);
  std::string advice;
  for (const auto& one : all.advice) advice += (advice.empty() ? "" : ". ") + one;
  std::ostringstream lines;
  lines << "tasks     " << all.done << " done, " << all.failed << " failed, " << all.lost << " lost, " << all.retried
        << " retried, " << all.cancelled << " cancelled, " << all.unfinished << " unfinished\n"
        << "time      " << length(all.wall) << " with " << count(all.workers.size(), "worker", "workers") << " on "
        << count(ranks.size(), "rank", "ranks") << ", " << percent(all.in_tasks) << " of their time in tasks\n"
        << "length    mean " << length(all.mean) << ", median " << length(all.median) << "\n"
        << "longest   " << longest(0) << "\n"
        << "          " << longest(1) << "\n"
        << "          " << longest(2) << "\n"
        << "data      " << size_text(all.bytes_in) << " of arguments, " << size_text(all.bytes_out) << " of results\n"
        << "busiest   " << (busiest == all.workers.end() ? "-" : line_about(*busiest)) << "\n"
        << "idlest    " << (idlest == all.workers.end() ? "-" : line_about(*idlest)) << "\n"
        << "advice    " << (advice.empty() ? "none: the workers were busy" : advice) << "\n";
  return to << lines.str();  // in one go: what others write to the same place is not to come between
}

}  // namespace rankpool::inline v0_2
