#pragma once

#include "client/watching.hpp"
#include "engine/engine.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace rankpool::client {

/// The job that this process is rank 0 of, between the begin and the end of `run`: its engine and its open pools.
/// Thread-safe.
class Job {
 public:
  explicit Job(engine::EngineOptions options)
      : watching_(options.settings, options.own.facts.host, options.connect != nullptr, options.terminal_lines),
        engine_(told_to(std::move(options), watching_.events())) {}

  [[nodiscard]] engine::Engine& engine() noexcept { return engine_; }
  [[nodiscard]] Watching& watching() noexcept { return watching_; }

  std::shared_ptr<engine::PoolState> open_pool(detail::PoolConfig config);
  /// What the end of the program does: executors finish what was submitted, pools are terminated; no new ones are
  /// opened.
  void close_all_pools();

  /// The current job, or null.
  static std::shared_ptr<Job> current();
  static void set_current(std::shared_ptr<Job> job);

 private:
  /// What the context asks for can be had, and what else is asked for with it.
  void check_context(const detail::PoolConfig& config);
  /// Says once that workers have to share cores, where these are somebody's to give: in a job, not on a laptop.
  void warn_of_oversubscription(int workers);

  static engine::EngineOptions told_to(engine::EngineOptions options, std::shared_ptr<engine::TaskEvents> events) {
    options.events = std::move(events);
    return options;
  }

  Watching watching_;
  engine::Engine engine_;
  std::mutex mutex_;
  bool closing_ = false;                                 // guarded by mutex_
  bool warned_of_oversubscription_ = false;              // guarded by mutex_
  std::uint32_t next_pool_ = 0;                          // guarded by mutex_
  std::vector<std::weak_ptr<engine::PoolState>> pools_;  // guarded by mutex_
};

/// Waits of a pool's owner. Thread-safe.
namespace pool {
void wait_ended(engine::Engine& engine, engine::PoolState& state);
/// Returns once each worker has run its initializer; throws ShutdownError or BrokenProcessPool if that will never be.
void wait_ready(engine::Mailbox& mailbox, engine::PoolState& state);
}  // namespace pool

}  // namespace rankpool::client
