#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace rankpool::watch {
class ToldProgress;
}  // namespace rankpool::watch

namespace rankpool::inline v0_2 {

/// A line of progress for what is no map: tasks that are submitted one by one, rounds, files. It is shown where and as
/// those of `map({.progress = "fits"}, ...)` are, and among them.
///
///     rankpool::Progress progress("fits", futures.size());
///     for (auto& done : rankpool::as_completed(futures)) done.exception() ? progress.failed() : progress.advance();
///
/// On rank 0, inside of `run`. Thread-safe, but for `finish` and the destructor. In Python this is the tqdm package.
class Progress {
 public:
  /// @param label what is shown before the line
  /// @param total how many there will be. Default: not known yet, so that count, rate and time are shown
  /// @throws Error outside of `run`, or inside a task
  explicit Progress(std::string label, std::optional<std::uint64_t> total = std::nullopt);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// `finish()`.
  ~Progress();

  /// How many there will be, or that this is not known.
  void set_total(std::optional<std::uint64_t> total);
  /// So many more have ended.
  void advance(std::uint64_t count = 1);
  /// So many more have ended, and not well.
  void failed(std::uint64_t count = 1);
  /// So many more are tried again; they have not ended.
  void retried(std::uint64_t count = 1);
  /// So many more need not be done: they count as ended, and not in the rate, from which the time left is reckoned.
  void skip(std::uint64_t count);
  /// A few words that stand behind the rate: "3 running". Empty: none.
  void set_note(std::string note);
  /// Writes the last line, and returns when it is written. Nothing that is told afterwards is shown.
  void finish();

 private:
  std::shared_ptr<watch::ToldProgress> told_;
  std::optional<std::uint64_t> shown_as_;  ///< nothing: RANKPOOL_PROGRESS says that nothing is shown
};

}  // namespace rankpool::inline v0_2
