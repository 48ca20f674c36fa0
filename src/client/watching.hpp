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
  /// The owner of that work has all its results: returns when its last line is written.
  void await_last_line(WorkId work);
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
  std::shared_ptr<engine::TaskEvents> events_;
};

}  // namespace rankpool::client
