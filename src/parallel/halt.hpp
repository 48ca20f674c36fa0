#pragma once

#include "parallel/options.hpp"

#include <cstdint>
#include <optional>

namespace rankpool::parallel {

/// Counts how commands end, and says when the rest is not to be run, and with which status the whole ends.
class Tally {
 public:
  explicit Tally(const Halt& halt) : halt_(halt) {}

  /// A command has ended for good: its exit code, or 128 + signal and the like. `total`: how many there are, once
  /// that is known; percentages are of it.
  void ended(int status, std::optional<std::uint64_t> total);
  [[nodiscard]] Halt::When halted() const { return halted_; }
  [[nodiscard]] std::uint64_t done() const { return done_; }
  [[nodiscard]] std::uint64_t failed() const { return failed_; }
  /// 0; the number of failed ones up to 100, 101 above; what the halt says, if that is how it ended.
  [[nodiscard]] int exit_status() const;

 private:
  Halt halt_;
  std::uint64_t done_ = 0;
  std::uint64_t failed_ = 0;
  Halt::When halted_ = Halt::When::never;
  int last_failure_ = 0;
  int percent_ = 0;
};

}  // namespace rankpool::parallel
