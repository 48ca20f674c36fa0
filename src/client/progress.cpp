#include <rankpool/progress.hpp>

#include "base/forked_copy.hpp"
#include "client/job.hpp"
#include "watch/told_progress.hpp"

#include <rankpool/errors.hpp>
#include <rankpool/run.hpp>

#include <utility>

namespace rankpool::inline v0_2 {

Progress::Progress(std::string label, std::optional<std::uint64_t> total)
    : told_(std::make_shared<watch::ToldProgress>(std::move(label), total)) {
  if (in_worker()) throw Error("a Progress is for rank 0: it cannot be made inside a task");
  if (base::is_forked_copy()) throw Error(base::copy_complaint("a Progress"));
  const auto job = client::Job::current();
  if (!job) throw Error("a Progress was made outside of rankpool::run()");
  shown_as_ = job->watching().show(told_);
}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {  // only for want of memory
  }
}

void Progress::set_total(std::optional<std::uint64_t> total) {
  told_->change([&](auto& counts) { counts.total = total; });
}

void Progress::advance(std::uint64_t count) {
  told_->change([&](auto& counts) { counts.done += count; });
}

void Progress::failed(std::uint64_t count) {
  told_->change([&](auto& counts) { counts.failed += count; });
}

void Progress::retried(std::uint64_t count) {
  told_->change([&](auto& counts) { counts.retried += count; });
}

void Progress::skip(std::uint64_t count) {
  told_->change([&](auto& counts) { counts.skipped += count; });
}

void Progress::set_note(std::string note) {
  told_->change([&](auto& counts) { counts.note = std::move(note); });
}

void Progress::finish() {
  told_->change([](auto& counts) { counts.finished = true; });
  const auto shown_as = std::exchange(shown_as_, std::nullopt);
  // After the end of the job all lines have been written.
  if (const auto job = shown_as ? client::Job::current() : nullptr) job->watching().await_last_line(*shown_as);
}

}  // namespace rankpool::inline v0_2
