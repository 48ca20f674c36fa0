#pragma once

#include "parallel/options.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace rankpool::parallel {

/// What has become of a list of commands so far.
struct Count {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::size_t running = 0;
  std::optional<std::uint64_t> total;
};

/// `--progress`, `--bar` and `--eta`, on standard error: one line that is written over on a terminal; elsewhere whole
/// lines, ever rarer.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  Progress(Options::Progress kind, bool terminal, Clock::time_point start)
      : kind_(kind), terminal_(terminal), start_(start), next_(start) {}

  /// What is to be written now; empty mostly.
  std::string update(const Count& count, Clock::time_point now);
  /// The last line.
  std::string finish(const Count& count, Clock::time_point now);
  [[nodiscard]] std::optional<Clock::time_point> next() const;

 private:
  [[nodiscard]] std::string line(const Count& count, Clock::time_point now) const;

  Options::Progress kind_;
  bool terminal_;
  Clock::time_point start_;
  Clock::time_point next_;
  std::chrono::milliseconds interval_{10'000};
};

/// "1:05", "2:03:04", "3d 01:00"
std::string clock_text(double seconds);

}  // namespace rankpool::parallel
