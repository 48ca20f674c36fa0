#pragma once

#include "base/settings.hpp"
#include "engine/mailbox.hpp"
#include "engine/task_events.hpp"
#include "watch/observer.hpp"
#include "watch/stderr_output.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace rankpool::client {

/// Who watches the job: nobody, until a trace is wanted or a map wants its progress shown. Thread-safe.
class Watching {
 public:
  /// `host` is this process's; `terminal_lines` is shared with the keeper, or null.
  Watching(base::Settings settings, std::string host, bool launched, std::atomic<std::uint32_t>* terminal_lines);
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;

  /// Who is to be told from the start, or null.
  [[nodiscard]] std::shared_ptr<engine::TaskEvents> events() const { return events_; }
  /// Before work with a progress label is submitted. False if nothing will be shown.
  [[nodiscard]] bool want_progress(engine::Mailbox& mailbox);
  /// Shows what the program tells itself. Returns the number by which its last line is awaited, or nothing if it will
  /// not be shown.
  [[nodiscard]] std::optional<std::uint64_t> show(std::shared_ptr<const watch::ToldProgress> told);
  /// The owner of that work has all its results: returns when its last line is written.
  void await_last_line(WorkId work) { await_last_line(raw(work)); }
  void await_last_line(std::uint64_t number);
  /// After the engine's end: all that is left is written.
  void end();

 private:
  void start(bool trace);

  const base::Settings settings_;
  const std::string host_;
  const bool launched_;
  std::atomic<std::uint32_t>* const terminal_lines_;
  std::mutex mutex_;
  std::unique_ptr<watch::StderrOutput> output_;
  std::unique_ptr<watch::Observer> observer_;
  watch::ProgressReader* progress_ = nullptr;  ///< the observer's
  bool listening_ = false;                     ///< the engine tells of tasks
  std::uint64_t told_ = 0;                     ///< so many were shown that are no works
  std::shared_ptr<engine::TaskEvents> events_;
};

}  // namespace rankpool::client
