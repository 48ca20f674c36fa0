#include "watch/progress_reader.hpp"

#include "base/pace.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace rankpool::watch {
namespace {

constexpr Time kDrawEvery = std::chrono::nanoseconds(pace::kDrawProgress).count();
/// A map that did not ask for it, with RANKPOOL_PROGRESS=all.
constexpr Time kLong = 2 * kSecond;
/// More maps at a time have no line of their own.
constexpr std::size_t kMostLines = 8;
/// Of what is no terminal, but is to be treated as one.
constexpr std::size_t kUsualColumns = 79;

}  // namespace

bool ProgressReader::wanted(const Shown& shown, Time now) const {
  return shown.labelled || shown.progress.gone(now) > kLong;
}

void ProgressReader::event(const Event& event, TaskBook& book) {
  if (event.what == What::work_submitted) {
    const TaskBook::Work* const work = book.work(event.work);
    const bool labelled = work != nullptr && work->progress.has_value();
    const bool map = event.count != 1 || event.detail != 0;
    if (!labelled && !(mode_.all && map)) return;
    Shown shown{Progress(labelled ? *work->progress : std::string(), event.when), LogPace(event.when), labelled};
    shown.progress.add_items(event.count);
    shown.progress.set_open(event.detail != 0);
    shown_.emplace(event.work, std::move(shown));
    return;
  }
  if (shown_.empty()) return;
  const auto found = shown_.find(event.work);
  if (found == shown_.end()) return;
  Progress& progress = found->second.progress;
  switch (event.what) {
    case What::chunk_sent:
      if (event.first == 0 && progress.label().empty() && !found->second.labelled) {
        progress.set_label(book.name_of(event.work));
      }
      break;
    case What::work_extended:
      progress.add_items(event.count);
      break;
    case What::work_sealed:
      progress.set_open(false);
      break;
    case What::items_ended:
      progress.ended(static_cast<Outcome>(event.detail), event.count, event.when);
      break;
    case What::item_retried:
      progress.retried();
      break;
    case What::items_failed:
    case What::items_cancelled: {
      // Of what may still be appended nothing is known.
      const auto total = progress.total();
      const std::uint64_t known = total ? *total - std::min(*total, progress.ended()) : 0;
      const std::uint64_t count = event.count > UINT64_MAX - event.first - 1 ? known : event.count;
      if (event.what == What::items_failed) {
        progress.ended(static_cast<Outcome>(event.detail), count, event.when);
      } else {
        progress.cancelled(count, event.when);
      }
      break;
    }
    case What::work_ended: {
      progress.finish(event.when);
      Shown last = std::move(found->second);
      shown_.erase(found);
      finish(event.work, last, event.when);
      break;
    }
    default:
      break;
  }
}

void ProgressReader::add(std::uint64_t number, std::shared_ptr<const ToldProgress> told) {
  const std::lock_guard lock(mutex_);
  added_.emplace_back(number, std::move(told));
}

void ProgressReader::take_added(Time now) {
  const std::lock_guard lock(mutex_);
  for (auto& [number, told] : std::exchange(added_, {})) {
    shown_.emplace(number, Shown{Progress(told->label(), now), LogPace(now), true, told});
  }
}

void ProgressReader::look_at_told(Time now) {
  for (auto at = shown_.begin(); at != shown_.end();) {
    auto& [number, shown] = *at;
    if (!shown.told) {
      ++at;
      continue;
    }
    ToldProgress::Counts counts = shown.told->counts();
    Progress& progress = shown.progress;
    progress.skip(counts.skipped - shown.seen.skipped);
    if (counts.done != shown.seen.done) progress.ended(Outcome::done, counts.done - shown.seen.done, now);
    if (counts.failed != shown.seen.failed) progress.ended(Outcome::error, counts.failed - shown.seen.failed, now);
    progress.retried(counts.retried - shown.seen.retried);
    progress.set_note(counts.note);
    progress.set_total(counts.total);
    const bool finished = counts.finished;
    shown.seen = std::move(counts);
    if (!finished) {
      ++at;
      continue;
    }
    progress.finish(now);
    const std::uint64_t ended = number;
    Shown last = std::move(shown);
    at = shown_.erase(at);
    finish(ended, last, now);
  }
}

void ProgressReader::close_area() {
  if (area_.lines() == 0) return;
  output_.write(area_.close());
  output_.kept(0);
}

void ProgressReader::finish(std::uint64_t work, Shown& shown, Time now) {
  if (wanted(shown, now)) {
    const auto terminal = mode_.how == ProgressMode::How::log ? std::nullopt : output_.terminal();
    if (terminal) {
      close_area();
      output_.write(bar_line(shown.progress, now, terminal->columns - 1, output_.utf8()) + "\n");
      draw(now);
    } else if (mode_.how == ProgressMode::How::bar) {
      output_.write("\r" + bar_line(shown.progress, now, kUsualColumns, output_.utf8()) + "\x1b[K\n");
    } else {
      output_.write("rankpool: " + log_line(shown.progress, now) + "\n");
    }
  }
  if (shown.labelled && finished_) finished_(work);
}

void ProgressReader::draw(Time now) {
  last_draw_ = now;
  const auto terminal = mode_.how == ProgressMode::How::log ? std::nullopt : output_.terminal();
  std::vector<std::string> lines;
  if (terminal && TerminalArea::fits(1, terminal->rows)) {
    for (const auto& [work, shown] : shown_) {
      if (lines.size() == kMostLines || !TerminalArea::fits(lines.size() + 1, terminal->rows)) break;
      if (wanted(shown, now)) lines.push_back(bar_line(shown.progress, now, terminal->columns - 1, output_.utf8()));
    }
    if (lines.empty()) return close_area();
    output_.kept(lines.size());
    output_.write(area_.show(lines, terminal->rows, terminal->columns));
    return;
  }
  close_area();
  if (!terminal && mode_.how == ProgressMode::How::bar) {
    // The user knows better where his stderr goes. Of what kind it is we do not know: the oldest map, in one line.
    for (const auto& [work, shown] : shown_) {
      if (!wanted(shown, now)) continue;
      output_.write("\r" + bar_line(shown.progress, now, kUsualColumns, output_.utf8()) + "\x1b[K");
      return;
    }
    return;
  }
  for (auto& [work, shown] : shown_) {
    if (!wanted(shown, now) || now < shown.pace.next()) continue;
    output_.write("rankpool: " + log_line(shown.progress, now) + "\n");
    shown.pace.printed(now);
  }
}

void ProgressReader::tick(Time now, TaskBook&) {
  take_added(now);
  look_at_told(now);
  if (!shown_.empty() && now - last_draw_ >= kDrawEvery) draw(now);
}

Time ProgressReader::next(Time) const { return shown_.empty() ? INT64_MAX : last_draw_ + kDrawEvery; }

void ProgressReader::end(Time now, TaskBook&) {
  take_added(now);
  look_at_told(now);
  // Works that never ended: the job did.
  for (auto& [work, shown] : std::exchange(shown_, {})) {
    shown.progress.finish(now);
    finish(work, shown, now);
  }
  close_area();
}

}  // namespace rankpool::watch
