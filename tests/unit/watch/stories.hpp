#pragma once

#include "watch/names.hpp"
#include "watch/reader.hpp"
#include "watch/task_book.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::watch {

/// Tells a TaskBook, and readers, what an engine would.
class Story {
 public:
  Story()
      : book_(names_, [](std::span<const std::byte> head) {
          return std::string(reinterpret_cast<const char*>(head.data()), head.size());
        }) {}

  [[nodiscard]] TaskBook& book() { return book_; }
  [[nodiscard]] Names& names() { return names_; }
  /// Runs that came to their end since the last call.
  std::vector<TaskRun> runs() { return std::exchange(runs_, {}); }
  void listen(Reader& reader) { readers_.push_back(&reader); }

  void rank(std::int32_t rank, const std::string& host, bool own_clock) {
    Event e = event(What::rank_joined, 0);
    e.worker = static_cast<std::uint32_t>(rank);
    e.value = names_.add_host(host);
    e.first = own_clock ? 1 : 0;
    tell(e);
  }
  void worker(std::uint32_t id, std::int32_t rank, Time when = 0) {
    Event e = event(What::worker_started, when);
    e.worker = id;
    e.value = static_cast<std::uint64_t>(rank);
    tell(e);
    e = event(What::worker_ready, when);
    e.worker = id;
    e.value = 1000 + id;
    tell(e);
  }
  void work(std::uint64_t id, const std::string& task, std::uint64_t items, std::optional<std::string> progress = {},
            bool open = false, Time when = 0) {
    task_ = task;
    Event e = event(What::work_submitted, when);
    e.work = id;
    e.count = items;
    e.detail = open ? 1 : 0;
    if (progress) e.value = names_.add_note({{}, progress});
    tell(e);
  }
  void group_rank(What what, std::uint32_t worker, Time when, std::uint64_t rank = 0, std::uint64_t work = 0,
                  std::uint64_t item = 0) {
    Event e = event(what, when);
    e.worker = worker;
    e.work = work;
    e.first = item;
    e.count = rank;
    tell(e);
  }
  void sent(std::uint32_t worker, std::uint64_t chunk, std::uint64_t work, std::uint64_t first, std::uint64_t count,
            Time when) {
    Event e = event(What::chunk_sent, when);
    e.worker = worker;
    e.chunk = chunk;
    e.work = work;
    e.first = first;
    e.count = count;
    e.value = 8 * count;
    if (first == 0) {
      Event task = e;
      task.what = What::work_task;
      task.value = names_.add_head(std::as_bytes(std::span(task_)));
      tell(task);
    }
    tell(e);
  }
  void ended(std::uint32_t worker, std::uint64_t chunk, std::uint64_t work, std::uint64_t first, std::uint64_t count,
             Time when, Outcome outcome = Outcome::done) {
    Event e = event(What::items_ended, when);
    e.worker = worker;
    e.chunk = chunk;
    e.work = work;
    e.first = first;
    e.count = count;
    e.detail = static_cast<std::uint8_t>(outcome);
    e.value = 16 * count;
    tell(e);
  }
  void times(std::uint32_t worker, std::uint64_t chunk, const std::vector<std::uint64_t>& words, Time when) {
    Event e = event(What::item_times, when);
    e.worker = worker;
    e.chunk = chunk;
    e.count = words.size() - 1;
    tell(e, words);
  }
  void chunk_done(std::uint32_t worker, std::uint64_t chunk, Time busy, Time when) {
    Event e = event(What::chunk_done, when);
    e.worker = worker;
    e.chunk = chunk;
    e.value = static_cast<std::uint64_t>(busy);
    tell(e);
  }
  void memory(std::uint32_t worker, std::uint64_t resident, std::uint64_t peak, Time when) {
    Event e = event(What::worker_memory, when);
    e.worker = worker;
    e.value = resident;
    e.first = peak;
    tell(e);
  }
  void gone(std::uint32_t worker, bool lost, Time when) {
    Event e = event(What::worker_gone, when);
    e.worker = worker;
    e.detail = lost ? 1 : 0;
    tell(e);
  }
  void simple(What what, std::uint64_t work, std::uint64_t first, std::uint64_t count, Time when,
              Outcome outcome = Outcome::done) {
    Event e = event(what, when);
    e.work = work;
    e.first = first;
    e.count = count;
    e.detail = static_cast<std::uint8_t>(outcome);
    tell(e);
  }

 private:
  static Event event(What what, Time when) {
    Event e;
    e.what = what;
    e.when = when;
    return e;
  }
  void tell(const Event& e, std::span<const std::uint64_t> words = {}) {
    const auto emit = [&](const TaskRun& run) {
      runs_.push_back(run);
      for (Reader* const reader : readers_) reader->run(run, book_);
    };
    const bool ends = e.what == What::work_ended;
    if (!ends) book_.take(e, words, emit);
    for (Reader* const reader : readers_) reader->event(e, book_);
    if (ends) book_.take(e, words, emit);
  }

  Names names_;
  TaskBook book_;
  std::string task_;
  std::vector<TaskRun> runs_;
  std::vector<Reader*> readers_;
};

}  // namespace rankpool::watch
