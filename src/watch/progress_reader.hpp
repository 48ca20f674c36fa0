#pragma once

#include "watch/progress.hpp"
#include "watch/reader.hpp"
#include "watch/terminal_area.hpp"
#include "watch/told_progress.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::watch {

/// Where progress goes. Observer thread.
class ProgressOutput {
 public:
  struct Size {
    std::size_t rows = 24;
    std::size_t columns = 80;
  };
  virtual ~ProgressOutput() = default;
  /// Nothing: it is no terminal.
  [[nodiscard]] virtual std::optional<Size> terminal() = 0;
  [[nodiscard]] virtual bool utf8() const = 0;
  virtual void write(const std::string& text) = 0;
  /// So many lines of the terminal are kept: whoever outlives this process gives them back.
  virtual void kept(std::size_t lines) = 0;
};

/// Which maps are shown, and how.
struct ProgressMode {
  enum class How : std::uint8_t { automatic, bar, log, off };
  How how = How::automatic;
  bool all = false;  ///< every map that takes longer than two seconds too
};

/// Shows the progress of maps: on a terminal in its lowest lines, one for each; else whole lines, ever rarer.
class ProgressReader final : public Reader {
 public:
  ProgressReader(ProgressOutput& output, ProgressMode mode) : output_(output), mode_(mode) {}

  void event(const Event& event, TaskBook& book) override;
  void run(const TaskRun&, TaskBook&) override {}
  void tick(Time now, TaskBook& book) override;
  [[nodiscard]] Time next(Time now) const override;
  void end(Time now, TaskBook& book) override;

  /// Any thread: shows what is no map, as `number`, which is no work's, until it has finished.
  void add(std::uint64_t number, std::shared_ptr<const ToldProgress> told);
  /// Called for each labelled map, and for what was added, when its last line has been written.
  void on_finished(std::function<void(std::uint64_t work)> finished) { finished_ = std::move(finished); }

 private:
  struct Shown {
    Progress progress;
    LogPace pace;
    bool labelled = false;                               ///< asked for by its map
    std::shared_ptr<const ToldProgress> told = nullptr;  ///< or null: it is a map
    ToldProgress::Counts seen = {};                      ///< of `told`
  };
  [[nodiscard]] bool wanted(const Shown& shown, Time now) const;
  void take_added(Time now);
  void look_at_told(Time now);
  void draw(Time now);
  void finish(std::uint64_t work, Shown& shown, Time now);
  void close_area();

  ProgressOutput& output_;
  const ProgressMode mode_;
  std::function<void(std::uint64_t)> finished_;
  std::map<std::uint64_t, Shown> shown_;  ///< by work, in the order of their beginning
  TerminalArea area_;
  Time last_draw_ = 0;
  std::mutex mutex_;
  std::vector<std::pair<std::uint64_t, std::shared_ptr<const ToldProgress>>> added_;  // guarded by mutex_
};

}  // namespace rankpool::watch
