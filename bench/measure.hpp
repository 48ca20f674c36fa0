// What the programs share: clock, options, quantiles, memory, and the one line of JSON that each of them prints and
// that bench/run reads.
#pragma once

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Comparable between processes of one machine.
inline double now_in_seconds() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

/// CPU time of this thread: other processes hardly show in it.
inline double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// The value below which `part` (0 to 1) of the samples lie.
inline double quantile(std::vector<double> samples, double part) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<std::size_t>(part * static_cast<double>(samples.size() - 1))];
}

/// What stands behind `--name=`, or `otherwise`.
inline std::string text_option(int argc, char** argv, const std::string& name, const std::string& otherwise) {
  const std::string begin = "--" + name + "=";
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]).starts_with(begin)) return argv[i] + begin.size();
  }
  return otherwise;
}

inline long option(int argc, char** argv, const std::string& name, long otherwise) {
  return std::strtol(text_option(argc, argv, name, std::to_string(otherwise)).c_str(), nullptr, 10);
}

/// Resident memory of this process in bytes: "VmRSS" is now, "VmHWM" the most since forget_peak_memory().
inline double memory_bytes(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what + ":")) return std::strtod(line.c_str() + what.size() + 1, nullptr) * 1024;
  }
  return 0;
}

inline void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

/// A line of JSON: {"name": number, "list": [1, 2]}.
class Report {
 public:
  Report& add(const std::string& name, double value) {
    key(name);
    number(value);
    return *this;
  }
  Report& add(const std::string& name, const std::vector<double>& values) {
    key(name);
    text_ << '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) text_ << ", ";
      number(values[i]);
    }
    text_ << ']';
    return *this;
  }
  /// Median, best and the 99th percentile of times, and a hundred and one quantiles for a picture of all of them.
  Report& add_times(const std::string& name, const std::vector<double>& times) {
    std::vector<double> sorted = times;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double part) {
      return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
    };
    add(name, at(0.5)).add(name + "_best", sorted.front()).add(name + "_p99", at(0.99));
    std::vector<double> quantiles;
    for (int percent = 0; percent <= 100; ++percent) quantiles.push_back(at(percent / 100.0));
    return add(name + "_quantiles", quantiles);
  }
  void print() const { std::cout << '{' << text_.str() << '}' << std::endl; }

 private:
  void key(const std::string& name) {
    if (text_.tellp() > 0) text_ << ", ";
    text_ << '"' << name << "\": ";
  }
  void number(double value) {
    if (std::isfinite(value)) {
      text_ << std::setprecision(10) << value;
    } else {
      text_ << "null";
    }
  }

  std::ostringstream text_;
};

}  // namespace bench
