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
  /// The number of failed ones up to 100, 101 above; with a halt that is given as a percentage, the percentage of
  /// failed ones. Once halted what it was then: 0 if by successes, and where one command was enough, that one's status.
  [[nodiscard]] int exit_status() const;

 private:
  /// `whole`: what percentages are of.
  [[nodiscard]] int status_of_failed(std::uint64_t whole) const;

  Halt halt_;
  std::uint64_t done_ = 0;
  std::uint64_t failed_ = 0;
  Halt::When halted_ = Halt::When::never;
  int halted_status_ = 0;
};

}  // namespace rankpool::parallel
