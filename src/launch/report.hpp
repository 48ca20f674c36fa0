#pragma once

#include "liveness/lifeline.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// How rank 0's keeper tells rankpool-run what became of rank 0. No launcher's own exit status can be relied on for
/// that.
///
/// The job finds where to report in RANKPOOL_RUN_REPORT: "ADDRESS+ADDRESS+...,PORT,TOKEN", the token in hex. The keeper
/// keeps one connection open from the start, so that its end without a report tells that rank 0 is lost with all of its
/// node.
namespace rankpool::launch {

/// The variable's name.
inline constexpr const char* kReportVariable = "RANKPOOL_RUN_REPORT";

/// One record on that connection.
struct ReportRecord {
  /// `holding` follows when `started` was answered: only then does the end of the connection mean anything. `signal`
  /// goes the other way: rank 0 is to get it.
  enum class Kind : std::uint32_t { started = 1, holding = 2, ended = 3, signal = 4 };
  std::uint32_t magic = 0x52524b50;
  std::uint32_t version = 1;
  liveness::Token token{};
  Kind kind{};
  std::int32_t wait_status = 0;  ///< ended: as waitpid gives it; signal: its number
};
static_assert(sizeof(ReportRecord) == 48);

/// What rankpool-run answers to `started` and `ended` with the right token.
inline constexpr char kReportAnswer = 'R';

std::string to_report_text(const liveness::Invitation& invitation);
/// Nothing if the text is not what `to_report_text` writes.
std::optional<liveness::Invitation> parse_report_text(const std::string& text);

/// Reads the variable and removes it from the environment, so that no job that this one starts reports in its place.
/// Called before the rank is forked, on every rank; the two below do it if nobody has.
void take_report_variable() noexcept;
/// Tells rankpool-run that rank 0 begins. Returns the connection, or -1: what comes from there is for
/// `take_reported_signal`. Does nothing if rankpool-run did not start this job; takes two seconds at
/// most, and is silent if nobody answers. In rank 0's keeper, once.
int report_start() noexcept;
/// A signal that rankpool-run has for rank 0, which launchers would not pass on as it is. Nothing: there is none. Sets
/// `ended` when there will be none any more.
std::optional<int> take_reported_signal(bool& ended) noexcept;
/// Tells it how rank 0 has ended. The same limits; tries a new connection if the first is not there. True if it knows.
bool report_exit(int wait_status) noexcept;

}  // namespace rankpool::launch
