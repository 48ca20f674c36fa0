#include "worker/worker.hpp"

#include "base/forked_copy.hpp"
#include "base/log.hpp"
#include "base/pace.hpp"
#include "wire/frame_headers.hpp"
#include "wire/identity.hpp"
#include "worker/frame_line.hpp"
#include "worker/item_times.hpp"
#include "worker/kept_heap.hpp"
#include "worker/memory_use.hpp"
#include "worker/output_streams.hpp"
#include "worker/ring_input.hpp"
#include "worker/shared_access.hpp"
#include "worker/side_client.hpp"
#include "worker/worker_endpoint.hpp"

#include <pthread.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace rankpool::worker {
namespace {

using Clock = std::chrono::steady_clock;
using wire::FrameFlag;
using wire::FrameHeader;
using wire::FrameKind;
using wire::OutcomeHeader;

/// Results of so many bytes are work for others, who are to begin with it while the worker frees what the result was
/// made of, or goes on.
constexpr std::size_t kMuch = 16'384;
/// The clock is looked at after so many items at the most. Looking costs as much as some twenty items that do nothing.
constexpr std::uint32_t kLongestStride = 256;

class Worker final : public detail::TaskContext {
 public:
  Worker(channel::Channel channel, channel::RankPage* page, int wake, const WorkerHooks& hooks,
         HostTurns* turns = nullptr)
      : rings_(std::move(channel), page, wake, turns),
        hooks_(hooks),
        side_(rings_, {[this] { publish_open(); }, [this](std::uint64_t id) { forget_shared(id); }}) {
    if (turns == nullptr) heap_.emplace();
    progress_ = &rings_.control().progress;
    g_this = this;
    static const int watched = ::pthread_atfork(nullptr, nullptr, [] {
      if (g_this != nullptr) g_this->become_copy();
    });
    (void)watched;
    base::watch_for_copies();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { g_this = nullptr; }

  [[nodiscard]] SharedAccess& shared() noexcept { return shared_; }

  /// What was decoded of a broadcast may be large, and there will hardly be another use for so much.
  void forget_shared(std::uint64_t id) {
    hooks_.forget_shared(id);
    if (heap_ && heap_->has_grown()) heap_->give_back();
  }

  /// Until it is told to stop.
  void run() {
    while (!stopped_) {
      FrameHeader header;
      await_frame();
      std::memcpy(&header, rings_.input(), sizeof header);
      rings_.take_input(sizeof header);
      if (header.magic != wire::kFrameMagic) ::_exit(70);
      const auto size = static_cast<std::size_t>(header.length);
      frame_end_ = rings_.input_begin() + size;
      if (size <= channel::Channel::kRing) {
        rings_.await_input(size);
        serve(header, {rings_.input(), size});
        rings_.take_input(size);
      } else if (header.kind == FrameKind::chunk) {
        chunk_as_it_comes(wire::ChunkHeader::of(header), size);
      } else {
        serve(header, rings_.gather(size));
      }
    }
  }

  // TaskContext
  void end_with_encoded(std::span<const std::byte> first, std::span<const std::byte> second) override {
    end_if_copy();
    if (unwanted_) return end_with_frame(FrameKind::skipped, {});
    end_with_frame(FrameKind::value, first, second);
  }
  void end_with_current_exception() override {
    end_if_copy();
    end_with_frame(FrameKind::error, hooks_.encode_current_exception(task()));
  }
  void end_skipped() override { end_with_frame(FrameKind::skipped, {}); }

 private:
  /// In a process that a task has forked: nothing here leads to the channel any more, which is not mapped either.
  void become_copy() noexcept {
    cursor_ = limit_ = opened_ = nullptr;
    element_size_ = 0;
    progress_ = &nobodys_progress_;
  }
  /// Such a process ends where it comes back from the task: the outcome is the original's.
  static void end_if_copy() {
    if (!base::is_forked_copy()) return;
    base::log_error(
        "a process that a task has forked returned from the task; it ends here (end such a process by _exit)");
    ::_exit(1);
  }

  /// The next frame; meanwhile and before it, what is told on the side.
  void await_frame() {
    while (true) {
      if (side_.pending()) side_.take_notices();
      if (rings_.available() >= sizeof(FrameHeader)) return;
      const auto ready = [&] { return rings_.available() >= sizeof(FrameHeader) || side_.pending(); };
      if (!heap_ || !heap_->has_grown()) {
        rings_.await(ready);
      } else if (!rings_.await_for(KeptHeap::kRest, ready)) {
        heap_->give_back();
      }
    }
  }

  void end_with_value_slowly(const void* value, std::size_t size) override {
    end_if_copy();
    publish_open();
    if (unwanted_) return end_with_frame(FrameKind::skipped, {});
    if (size + sizeof(FrameHeader) > channel::Channel::kRing / 2) {
      end_with_frame(FrameKind::values, {static_cast<const std::byte*>(value), size});
      return;
    }
    // Room for at least this one; all of what is free for those that follow. The host may look at what is written here
    // at any time (WorkerHost::collect_unpublished): what it reads belongs together unless the output has grown
    // meanwhile.
    rings_.await_room(sizeof(FrameHeader) + size);
    auto& control = rings_.control();
    control.open_base.store(ended_, std::memory_order_release);
    control.open_element.store(size, std::memory_order_release);
    control.open_chunk.store(chunk_, std::memory_order_release);
    control.open_first.store(item(), std::memory_order_release);
    control.open_begin.store(rings_.output_end(), std::memory_order_release);
    open_first_ = item();
    element_size_ = size;
    opened_ = cursor_ = rings_.output() + sizeof(FrameHeader);
    limit_ = rings_.output() + rings_.room();
    std::memcpy(cursor_, value, size);
    cursor_ += size;
    item_ended();
  }

  void check_flush() noexcept override {
    const auto now = Clock::now();
    const auto since = now - last_check_;
    last_check_ = now;
    times_.ended(item() - 1, since, now);
    stride_ = times_.timed()                          ? 1
              : since < std::chrono::microseconds(2)  ? std::min(2 * stride_, kLongestStride)
              : since > std::chrono::microseconds(50) ? 1
                                                      : stride_;
    until_flush_check_ = stride_;
    flush_c_output();
    // The last item's result goes with the end of the chunk, which is at hand.
    if (announce_ || (item() < count_ && now - last_publish_ > flush_after_)) publish_open();
    if (times_.are_due(item() < count_, now)) {
      publish_open();
      write_times();
      if (memory_.is_due(now)) write_memory();
      rings_.publish();
    }
  }

  /// Of all items that have ended since the last time. Their outcomes have been written.
  void write_times() {
    times_.tell_rest(item(), last_check_, [this](const ItemTimes::Times& times) { write_times(times); });
  }
  void write_times(const ItemTimes::Times& times) {
    OutcomeHeader header = outcome(FrameKind::times, static_cast<std::uint32_t>(times.ends.size()));
    header.first = times.first;
    header.size = (times.ends.size() + 1) * sizeof times.begin;
    write(header);
    rings_.write(&times.begin, sizeof times.begin);
    rings_.write(times.ends.data(), times.ends.size_bytes());
  }
  void write_memory() {
    const auto memory = memory_of_this_process();
    if (!memory) return;
    const FrameHeader header = memory->frame();
    rings_.write(&header, sizeof header);
  }
  /// At the end of a chunk, whose last results may still be in the open frame.
  void tell_watchers(Clock::time_point begin, std::chrono::nanoseconds busy) {
    const bool memory = memory_.is_due(begin + busy);
    const auto outlier = times_.timed() ? std::nullopt : times_.far_from_mean(busy, count_);
    if (!memory && !times_.timed() && !outlier) return;
    if (cursor_ != nullptr) close_open();
    outlier ? write_times(*outlier) : write_times();
    if (memory) write_memory();
  }

  void announce_item() noexcept override {
    publish_open();
    write(outcome(FrameKind::began, 0));
    rings_.publish();
  }

  /// What the task is called; empty if that cannot be told. Called while an exception is handled.
  [[nodiscard]] std::string task() const {
    try {
      if (!given_name_.empty()) return given_name_;
      return name_ == nullptr ? std::string() : name_(callable_);
    } catch (...) {
      return {};
    }
  }
  [[nodiscard]] std::uint64_t item() const { return ended_ - chunk_base_; }
  [[nodiscard]] OutcomeHeader outcome(FrameKind kind, std::uint32_t items) const {
    return {.kind = kind, .chunk = chunk_, .first = item(), .items = items};
  }
  void write(const OutcomeHeader& outcome) {
    const FrameHeader header = outcome.frame();
    rings_.write(&header, sizeof header);
  }

  void serve(const FrameHeader& header, std::span<const std::byte> payload) {
    switch (header.kind) {
      case FrameKind::init:
        return init(payload);
      case FrameKind::chunk:
        return chunk(wire::ChunkHeader::of(header), payload);
      case FrameKind::serve_group: {
        const detail::Bytes plan(payload);
        if (payload.data() == rings_.input()) rings_.take_input(payload.size());
        FrameLine line(rings_);
        hooks_.serve_group(plan, line);
        ::_exit(0);
      }
      case FrameKind::name:
        next_name_.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
        return;
      case FrameKind::join_group:
        hooks_.join_group(payload);
        in_group_ = true;
        return;
      case FrameKind::stop:
        if (in_group_) hooks_.leave_group();
        stopped_ = true;
        return;
      default:
        ::_exit(70);
    }
  }

  void init(std::span<const std::byte> payload) {
    auto init = wire::decode_init(payload);
    if (!init) ::_exit(70);
    hooks_.set_identity(std::move(init->identity));
    const auto initializer = init->initializer;
    FrameHeader header(FrameKind::ready);
    try {
      if (!initializer.empty()) hooks_.run_initializer(initializer);
      flush_output();
      rings_.write(&header, sizeof header);
    } catch (...) {
      const detail::Bytes error = hooks_.encode_current_exception("the initializer");
      flush_output();
      header = FrameHeader(FrameKind::init_failed, error.size());
      rings_.write(&header, sizeof header);
      rings_.write(error.data(), error.size());
    }
    rings_.publish();
  }

  void chunk(const wire::ChunkHeader& header, std::span<const std::byte> payload) {
    if (header.head > payload.size()) ::_exit(70);
    const auto head = payload.first(static_cast<std::size_t>(header.head));
    detail::Input items(payload.subspan(head.size()));
    run_chunk(header, head, items);
  }
  /// One that is longer than the ring is run while it comes in.
  void chunk_as_it_comes(const wire::ChunkHeader& header, std::size_t size) {
    if (header.head > size) ::_exit(70);
    const detail::Bytes head = rings_.gather(static_cast<std::size_t>(header.head));
    RingInput items(rings_, size - head.size(), [this] { publish_open(); });
    run_chunk(header, head, items);
    items.skip(items.left());
    items.end();
  }

  void run_chunk(const wire::ChunkHeader& header, std::span<const std::byte> head, detail::Input& items) {
    chunk_ = header.chunk;
    chunk_base_ = ended_;
    count_ = header.items;
    auto& control = rings_.control();
    control.chunk_end.store(frame_end_, std::memory_order_relaxed);
    const std::uint32_t items_before = control.chunk_items.exchange(count_, std::memory_order_seq_cst);
    if (count_ > 1 && items_before <= 1) rings_.wake_host();  // it is to collect_unpublished from time to time
    if (!has_the_next()) rings_.ring_if_owed();
    name_ = nullptr;
    given_name_ = std::exchange(next_name_, std::string());
    unwanted_ = wire::has(header.flags, FrameFlag::announce_only);
    announce_ = wire::has(header.flags, FrameFlag::announce) || unwanted_;
    const bool timed = wire::has(header.flags, FrameFlag::timed);
    input_ = &items;
    flush_after_ = std::max(pace::kShownWithin, header.hold_back);
    if (timed) flush_after_ = std::min(flush_after_, pace::kTimesShownWithin);
    const std::uint64_t output_before = rings_.output_end();
    const auto begin = Clock::now();
    last_check_ = begin;
    times_.begin(timed, begin);
    memory_.begin(wire::has(header.flags, FrameFlag::memory));
    until_flush_check_ = stride_ = 1;
    try {
      const detail::Invoker invoke = hooks_.resolve(head, callable_);
      invoke(*this);
    } catch (...) {
      // What the invoker itself could not do: each item that is left ends so.
      while (item() < count_) end_with_current_exception();
    }
    flush_output();
    const auto busy = Clock::now() - begin;
    tell_watchers(begin, busy);
    if (cursor_ != nullptr) {
      close_open(busy);
    } else {
      OutcomeHeader end = outcome(FrameKind::skipped, 0);
      end.last = true;
      end.busy = busy;
      write(end);
    }
    last_publish_ = begin;
    const bool short_chunk =
        busy >= pace::kShortFrom && busy < pace::kShortUpTo && rings_.output_end() - output_before < kMuch;
    control.short_chunk.store(short_chunk ? static_cast<std::uint64_t>(busy.count()) : 0, std::memory_order_relaxed);
    rings_.show();
    if (!has_the_next()) control.chunk_items.store(0, std::memory_order_release);
    const bool wait = short_chunk && has_the_next() && control.defer_wakeup.load(std::memory_order_seq_cst) != 0;
    if (!wait) rings_.wake_host();
    if (heap_) heap_->chunk_ended(begin + busy);
  }
  /// The frame behind the chunk that the worker is at has come, its beginning at least.
  [[nodiscard]] bool has_the_next() { return rings_.input_end() >= frame_end_ + sizeof(FrameHeader); }

  void end_with_frame(FrameKind kind, std::span<const std::byte> first, std::span<const std::byte> second = {}) {
    flush_output();  // who has the outcome of an item has what it printed, too
    publish_open();
    OutcomeHeader header = outcome(kind, 1);
    header.size = first.size() + second.size();
    write(header);
    rings_.write(first.data(), first.size());
    rings_.write(second.data(), second.size());
    // The end of the chunk is at hand, unless there is much to be freed before it.
    if (header.first + 1 < count_ || header.size >= kMuch) {
      rings_.publish();
    } else {
      rings_.show();
    }
    item_ended();
  }

  /// Shows the results that are in the open frame.
  void publish_open() {
    if (cursor_ == nullptr) return;
    close_open();
    rings_.publish();
    last_publish_ = last_check_;
  }
  /// @param busy  the time spent on the chunk, if this is its last frame
  void close_open(std::optional<std::chrono::nanoseconds> busy = std::nullopt) {
    OutcomeHeader values = outcome(FrameKind::values, static_cast<std::uint32_t>(item() - open_first_));
    values.first = open_first_;
    values.size = static_cast<std::size_t>(cursor_ - opened_);
    values.last = busy.has_value();
    values.busy = busy.value_or(std::chrono::nanoseconds(0));
    const FrameHeader header = values.frame();
    std::memcpy(opened_ - sizeof header, &header, sizeof header);
    rings_.written(sizeof header + static_cast<std::size_t>(header.length));
    cursor_ = limit_ = nullptr;
    element_size_ = 0;
  }

  static inline Worker* g_this = nullptr;

  WorkerEndpoint rings_;
  const WorkerHooks& hooks_;
  std::optional<KeptHeap> heap_;  ///< none in a rank, whose heap is the program's
  SideClient side_;
  SharedAccess shared_{side_};
  std::atomic<std::uint64_t> nobodys_progress_{0};
  bool in_group_ = false;
  bool stopped_ = false;
  std::string next_name_;        ///< of the task of the next chunk, if its user has given it one
  std::string given_name_;       ///< of the task of this chunk
  bool unwanted_ = false;        ///< what the items of the chunk return
  std::uint64_t frame_end_ = 0;  ///< of the frame that is being served, in the input
  std::uint64_t chunk_ = 0;
  std::uint64_t chunk_base_ = 0;
  std::byte* opened_ = nullptr;
  std::uint64_t open_first_ = 0;
  std::uint32_t stride_ = 1;
  Clock::time_point last_check_{};
  Clock::time_point last_publish_{};
  std::chrono::nanoseconds flush_after_ = pace::kShownWithin;
  ItemTimes times_;
  MemoryUse memory_;
};

}  // namespace

void worker_main(channel::Channel channel, channel::RankPage* page, int wake, const WorkerHooks& hooks) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  Worker worker(std::move(channel), page, wake, hooks);
  wire::SharedAccess::install(&worker.shared());
  worker.run();
  std::fflush(nullptr);
  ::_exit(0);
}

void serve_in_rank(channel::Channel channel, channel::RankPage* page, HostTurns& turns, Extent extent,
                   const WorkerHooks& hooks) {
  Worker worker(std::move(channel), page, -1, hooks, &turns);
  // On the root shared objects are reached as its other threads reach them.
  struct Installed {
    ~Installed() { wire::SharedAccess::install(nullptr); }
  };
  std::optional<Installed> installed;
  if (extent == Extent::process) {
    wire::SharedAccess::install(&worker.shared());
    installed.emplace();
  }
  worker.run();
}

}  // namespace rankpool::worker
