#include "client/watching.hpp"

#include "base/log.hpp"
#include "codec/task_name.hpp"
#include "engine/task_recorder.hpp"
#include "watch/progress_reader.hpp"
#include "watch/trace_writer.hpp"

#include <exception>
#include <utility>

namespace rankpool::client {
namespace {

watch::ProgressMode mode_of(base::ProgressSetting setting) {
  using How = watch::ProgressMode::How;
  switch (setting) {
    case base::ProgressSetting::bar:
      return {How::bar, false};
    case base::ProgressSetting::log:
      return {How::log, false};
    case base::ProgressSetting::off:
      return {How::off, false};
    case base::ProgressSetting::all:
      return {How::automatic, true};
    default:
      return {};
  }
}

}  // namespace

Watching::Watching(base::Settings settings, std::string host, bool launched, std::atomic<std::uint32_t>* terminal_lines)
    : settings_(std::move(settings)), host_(std::move(host)), launched_(launched), terminal_lines_(terminal_lines) {
  if (!settings_.trace.empty() || settings_.progress == base::ProgressSetting::all) {
    start(!settings_.trace.empty());
    listening_ = observer_ != nullptr;
  }
}

void Watching::start(bool trace) {
  auto observer = std::make_unique<watch::Observer>(&codec::name_of_task);
  bool anybody = false;
  if (trace) {
    try {
      observer->add(std::make_unique<watch::TraceWriter>(settings_.trace, watch::Observer::now()));
      anybody = true;
    } catch (const std::exception& e) {
      base::log_warn(std::string("RANKPOOL_TRACE: no trace is written: ") + e.what());
      trace = false;
    }
  }
  if (settings_.progress != base::ProgressSetting::off) {
    output_ = std::make_unique<watch::StderrOutput>(launched_, terminal_lines_);
    auto progress = std::make_unique<watch::ProgressReader>(*output_, mode_of(settings_.progress));
    progress->on_finished([own = observer.get()](std::uint64_t work) { own->finished(work); });
    progress_ = progress.get();
    observer->add(std::move(progress));
    anybody = true;
  }
  if (!anybody) return;
  observer->start();
  events_ = std::make_shared<engine::TaskRecorder>(observer->ring(), observer->names(), host_, trace);
  observer_ = std::move(observer);
}

bool Watching::want_progress(engine::Mailbox& mailbox) {
  if (settings_.progress == base::ProgressSetting::off) return false;
  const std::lock_guard lock(mutex_);
  if (!observer_) start(false);
  if (!std::exchange(listening_, true)) mailbox.post(engine::ListenToTasks{events_});
  return true;
}

std::optional<std::uint64_t> Watching::show(std::shared_ptr<const watch::ToldProgress> told) {
  if (settings_.progress == base::ProgressSetting::off) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (!observer_) start(false);
  // Works are counted from 0.
  const std::uint64_t number = UINT64_MAX - told_++;
  progress_->add(number, std::move(told));
  observer_->ring().interrupt();
  return number;
}

void Watching::await_last_line(std::uint64_t number) {
  {
    const std::lock_guard lock(mutex_);
    if (!observer_) return;
  }
  observer_->await_finished(number);
}

void Watching::end() {
  const std::lock_guard lock(mutex_);
  if (observer_) observer_->end();
}

}  // namespace rankpool::client
