#include "process/worker_host.hpp"

#include "base/cores.hpp"
#include "process/channel.hpp"
#include "process/keeper.hpp"
#include "wire/frames.hpp"

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rankpool::process {
namespace {

/// A finished result waits about so long for the end of a long item behind it, or longer if nothing was found for long.
constexpr std::chrono::milliseconds kPatience{2};
constexpr std::chrono::milliseconds kLongestPatience{64};

}  // namespace

class WorkerHost::Impl {
 public:
  struct Pending {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };
  struct Slot {
    explicit Slot(WorkerId worker) : id(worker) {}
    WorkerId id;
    Channel channel;
    pid_t pid = 0;
    std::uint64_t in_tail = 0;
    std::uint64_t out_head = 0;
    std::uint64_t progress = 0;   ///< when it was last looked at for a harvest
    std::uint64_t harvested = 0;  ///< items of the open frame that were given out before it was published
    bool unpublished = false;
    bool rogue = false;
    std::deque<Pending> backlog;
    std::uint64_t side_in_tail = 0;
    std::uint64_t side_out_head = 0;
    std::deque<std::byte> side_backlog;
  };

  explicit Impl(std::unique_ptr<KeeperLink> link) : keeper(std::move(link)) {}

  Slot* find(WorkerId id) {
    const auto found = index.find(raw(id));
    return found == index.end() ? nullptr : found->second;
  }
  void count_heads() {
    const std::size_t heads = std::max<std::size_t>(slots.size(), 1) * static_cast<std::size_t>(ranks_here);
    crowded = heads > static_cast<std::size_t>(cores_here);
    keeper->page().crowded.store(crowded ? 1 : 0, std::memory_order_relaxed);
  }
  /// A worker whose counters make no sense: nothing of its memory is believed any more, and its end is told as ever.
  void give_up(Slot& slot) {
    if (std::exchange(slot.rogue, true)) return;
    keeper->send({KeeperMessage::Kind::kill, raw(slot.id), SIGKILL, 0});
  }
  /// Copies as much as there is room for, and a ring's worth at most; returns how much. What is long is shown stretch
  /// by stretch, so that the worker takes one while the next is copied.
  std::size_t put(Slot& slot, std::span<const std::byte> bytes) {
    bytes = bytes.first(std::min(bytes.size(), Channel::kRing));
    std::size_t done = 0;
    while (done < bytes.size()) {
      if (done != 0) publish(slot);
      const std::uint64_t head = slot.channel.control().in_head.value.load(std::memory_order_acquire);
      if (head > slot.in_tail || slot.in_tail - head > Channel::kRing) {
        give_up(slot);
        return 0;
      }
      const std::size_t room = Channel::kRing - static_cast<std::size_t>(slot.in_tail - head);
      const std::size_t size = std::min({room, bytes.size() - done, stretch});
      if (size == 0) break;
      std::memcpy(slot.channel.in(slot.in_tail), bytes.data() + done, size);
      slot.in_tail += size;
      slot.unpublished = true;
      done += size;
    }
    return done;
  }
  void publish(Slot& slot) {
    if (!slot.unpublished) return;
    slot.unpublished = false;
    auto& control = slot.channel.control();
    control.in_tail.value.store(slot.in_tail, std::memory_order_seq_cst);
    wake(slot);
  }
  static void wake(Slot& slot) {
    auto& control = slot.channel.control();
    if (control.worker_sleeping.load(std::memory_order_seq_cst) != 0 &&
        control.worker_sleeping.exchange(0, std::memory_order_seq_cst) != 0) {
      slot.channel.ring_bell();
    }
  }
  bool push_backlog(Slot& slot) {
    bool any = false;
    while (!slot.backlog.empty()) {
      Pending& first = slot.backlog.front();
      const std::size_t size = put(slot, first.bytes);
      if (size == 0) break;
      any = true;
      first.bytes = first.bytes.subspan(size);
      if (!first.bytes.empty()) break;
      slot.backlog.pop_front();
    }
    publish(slot);
    return any;
  }
  /// Gives out what the worker has published.
  /// What was said on the side before comes before.
  std::size_t drain(Slot& slot, HostListener& listener, std::size_t limit) {
    if (slot.rogue) return 0;
    const std::uint64_t tail = slot.channel.control().out_tail.value.load(std::memory_order_acquire);
    const std::size_t side = drain_side(slot, listener);
    if (slot.rogue || tail == slot.out_head) return side;
    if (tail < slot.out_head || tail - slot.out_head > Channel::kRing) {
      give_up(slot);
      return 0;
    }
    if (slot.harvested != 0 && !skip_harvested(slot, static_cast<std::size_t>(tail - slot.out_head), listener))
      return 0;
    const std::size_t size = std::min(limit, static_cast<std::size_t>(tail - slot.out_head));
    for (std::size_t done = 0; done < size;) {
      const std::size_t part = std::min(size - done, stretch);
      listener.worker_output(slot.id, {slot.channel.out(slot.out_head), part});
      slot.out_head += part;
      done += part;
      slot.channel.control().out_head.value.store(slot.out_head, std::memory_order_seq_cst);
      wake(slot);
    }
    return size + side;
  }
  /// Shows as much of what waits as there is room for.
  bool push_side(Slot& slot) {
    if (slot.side_backlog.empty() || slot.rogue) return false;
    auto& control = slot.channel.control();
    const std::uint64_t head = control.side_in_head.value.load(std::memory_order_acquire);
    if (head > slot.side_in_tail || slot.side_in_tail - head > Channel::kSideRing) {
      give_up(slot);
      return false;
    }
    const std::size_t room = Channel::kSideRing - static_cast<std::size_t>(slot.side_in_tail - head);
    const std::size_t size = std::min(room, slot.side_backlog.size());
    if (size == 0) return false;
    const auto end = slot.side_backlog.begin() + static_cast<std::ptrdiff_t>(size);
    std::copy(slot.side_backlog.begin(), end, slot.channel.side_in(slot.side_in_tail));
    slot.side_backlog.erase(slot.side_backlog.begin(), end);
    slot.side_in_tail += size;
    control.side_in_tail.value.store(slot.side_in_tail, std::memory_order_seq_cst);
    wake_side(slot);
    wake(slot);
    return true;
  }
  static void wake_side(Slot& slot) {
    auto& control = slot.channel.control();
    if (control.side_sleeping.load(std::memory_order_seq_cst) != 0 &&
        control.side_sleeping.exchange(0, std::memory_order_seq_cst) != 0) {
      slot.channel.ring_side_bell();
    }
  }
  std::size_t drain_side(Slot& slot, HostListener& listener) {
    if (slot.rogue) return 0;
    auto& control = slot.channel.control();
    const std::uint64_t tail = control.side_out_tail.value.load(std::memory_order_acquire);
    if (tail == slot.side_out_head) return 0;
    if (tail < slot.side_out_head || tail - slot.side_out_head > Channel::kSideRing) {
      give_up(slot);
      return 0;
    }
    const auto size = static_cast<std::size_t>(tail - slot.side_out_head);
    listener.worker_side_output(slot.id, {slot.channel.side_out(slot.side_out_head), size});
    slot.side_out_head += size;
    control.side_out_head.value.store(slot.side_out_head, std::memory_order_seq_cst);
    wake_side(slot);
    return size;
  }
  /// What of the frame that begins the output was given out already: its header is told as of the rest.
  bool skip_harvested(Slot& slot, std::size_t size, HostListener& listener) {
    wire::FrameHeader header;
    if (size >= sizeof header) std::memcpy(&header, slot.channel.out(slot.out_head), sizeof header);
    if (size < sizeof header || header.kind != wire::FrameKind::values || header.count < slot.harvested ||
        header.length > size - sizeof header || header.length % header.count != 0) {
      give_up(slot);
      return false;
    }
    const std::uint64_t part = slot.harvested * (header.length / header.count);
    header.first += slot.harvested;
    header.count -= static_cast<std::uint32_t>(slot.harvested);
    header.length -= part;
    slot.harvested = 0;
    slot.out_head += sizeof header + part;
    listener.worker_output(slot.id, std::as_bytes(std::span(&header, 1)));
    return true;
  }
  /// Gives out the results in the open frame that have not been given out. True if there were any.
  bool give_open(Slot& slot, HostListener& listener) {
    if (slot.rogue) return false;
    auto& control = slot.channel.control();
    const std::uint64_t begin = control.open_begin.load(std::memory_order_acquire);
    if (begin != slot.out_head) return false;
    const std::uint64_t base = control.open_base.load(std::memory_order_acquire);
    const std::uint64_t element = control.open_element.load(std::memory_order_acquire);
    const std::uint64_t chunk = control.open_chunk.load(std::memory_order_acquire);
    const std::uint64_t first = control.open_first.load(std::memory_order_acquire);
    const std::uint64_t ended = control.progress.load(std::memory_order_acquire) / 2;
    // What was read belongs together if the frame is still open: the worker publishes one before it opens the next.
    if (control.out_tail.value.load(std::memory_order_acquire) != slot.out_head) return false;
    if (ended <= base || ended - base <= slot.harvested || element == 0) return false;
    const std::uint64_t count = ended - base;
    if (count > Channel::kRing || element > Channel::kRing ||
        count * element > Channel::kRing - sizeof(wire::FrameHeader)) {
      return false;
    }
    wire::FrameHeader header;
    header.kind = wire::FrameKind::values;
    header.count = static_cast<std::uint32_t>(count - slot.harvested);
    header.chunk = chunk;
    header.first = first + slot.harvested;
    header.length = header.count * element;
    const std::byte* const values = slot.channel.out(begin) + sizeof header + slot.harvested * element;
    slot.harvested = count;
    listener.worker_output(slot.id, std::as_bytes(std::span(&header, 1)));
    listener.worker_output(slot.id, {values, static_cast<std::size_t>(header.length)});
    return true;
  }
  static bool inside_item(Slot& slot) {
    return (slot.channel.control().progress.load(std::memory_order_acquire) & 1U) != 0;
  }
  void ended(Slot& slot, HostListener& listener, pid_t pid, int status) {
    while (drain(slot, listener, static_cast<std::size_t>(-1)) != 0) {
    }
    give_open(slot, listener);
    const bool inside = inside_item(slot);
    const WorkerId id = slot.id;
    index.erase(raw(id));
    std::erase_if(slots, [&](const auto& s) { return s->id == id; });
    count_heads();
    listener.worker_ended(id, {pid, status, inside});
  }

  std::unique_ptr<KeeperLink> keeper;
  const std::size_t stretch = Channel::stretch();
  const int ranks_here = base::ranks_on_node(base::environment);
  const long cores_here = ::sysconf(_SC_NPROCESSORS_ONLN);
  bool crowded = ranks_here > cores_here;
  std::vector<std::unique_ptr<Slot>> slots;
  std::unordered_map<std::uint32_t, Slot*> index;
  std::vector<std::pair<WorkerId, std::string>> failed;
  std::uint32_t seen_events = 0;
  bool told_lost = false;
  std::chrono::steady_clock::time_point next_harvest{};
  std::chrono::milliseconds patience = kPatience;
  bool output_since = false;  ///< the last harvest
  bool woken = false;         ///< it may have been the keeper's socket, which tells of the keeper's end too
};

WorkerHost::WorkerHost(std::unique_ptr<KeeperLink> keeper) : impl_(std::make_unique<Impl>(std::move(keeper))) {}
WorkerHost::~WorkerHost() = default;

void WorkerHost::start(WorkerId worker) {
  try {
    auto slot = std::make_unique<Impl::Slot>(worker);
    if (!impl_->keeper->send({KeeperMessage::Kind::spawn, raw(worker), 0, 0}, slot->channel.fd())) {
      impl_->failed.emplace_back(worker, "the keeper is gone");
      return;
    }
    slot->channel.close_descriptor();  // a worker is not to cost an open file
    impl_->index[raw(worker)] = slot.get();
    impl_->slots.push_back(std::move(slot));
    impl_->count_heads();
  } catch (const std::exception& e) {
    impl_->failed.emplace_back(worker, e.what());
  }
}

void WorkerHost::write(WorkerId worker, std::span<const std::byte> bytes) {
  auto* const slot = impl_->find(worker);
  if (slot == nullptr || bytes.empty()) return;
  if (slot->backlog.empty()) bytes = bytes.subspan(impl_->put(*slot, bytes));
  if (bytes.empty()) return;
  auto copy = std::make_shared<detail::Bytes>(bytes);
  const auto view = copy->view();
  slot->backlog.push_back({view, std::move(copy)});
}

void WorkerHost::write(WorkerId worker, std::span<const std::byte> bytes, std::shared_ptr<const void> keep_alive) {
  auto* const slot = impl_->find(worker);
  if (slot == nullptr || bytes.empty()) return;
  if (slot->backlog.empty()) bytes = bytes.subspan(impl_->put(*slot, bytes));
  if (!bytes.empty()) slot->backlog.push_back({bytes, std::move(keep_alive)});
}

void WorkerHost::write_side(WorkerId worker, std::span<const std::byte> bytes) {
  auto* const slot = impl_->find(worker);
  if (slot == nullptr) return;
  slot->side_backlog.insert(slot->side_backlog.end(), bytes.begin(), bytes.end());
  impl_->push_side(*slot);
}

void WorkerHost::flush(WorkerId worker) {
  if (auto* const slot = impl_->find(worker)) impl_->publish(*slot);
}

void WorkerHost::tell_to_stop() noexcept { impl_->keeper->page().stop_requested.store(1, std::memory_order_relaxed); }

void WorkerHost::kill(WorkerId worker, int signal) {
  // What it was still to be sent may be freed as soon as it is given up.
  if (auto* const slot = impl_->find(worker)) slot->backlog.clear();
  impl_->keeper->send({KeeperMessage::Kind::kill, raw(worker), signal, 0});
}

bool WorkerHost::poll(HostListener& listener, std::size_t max_output) {
  auto& i = *impl_;
  bool any = false;
  for (std::size_t n = 0; n < i.slots.size() && max_output > 0; ++n) {
    auto& slot = *i.slots[n];
    if (!slot.backlog.empty()) any |= i.push_backlog(slot);
    any |= i.push_side(slot);
    const std::size_t size = i.drain(slot, listener, max_output);
    any |= size != 0;
    i.output_since |= size != 0;
    max_output -= std::min(size, max_output);
  }
  for (auto& [worker, why] : std::exchange(i.failed, {})) {
    listener.worker_failed_to_start(worker, why);
    any = true;
  }
  const std::uint32_t events = i.keeper->page().keeper_events.load(std::memory_order_acquire);
  if (events == i.seen_events && !std::exchange(i.woken, false)) return any;
  i.seen_events = events;
  while (auto message = i.keeper->receive()) {
    any = true;
    const WorkerId worker{message->worker};
    auto* const slot = i.find(worker);
    if (slot == nullptr) continue;
    if (message->kind == KeeperMessage::Kind::spawned) {
      slot->pid = message->number;
      listener.worker_started(worker, message->number);
    } else if (message->kind == KeeperMessage::Kind::spawn_failed) {
      i.index.erase(raw(worker));
      std::erase_if(i.slots, [&](const auto& s) { return s->id == worker; });
      listener.worker_failed_to_start(worker, std::strerror(message->number));
    } else if (message->kind == KeeperMessage::Kind::ended) {
      i.ended(*slot, listener, message->number, message->status);
    }
  }
  if (i.keeper->lost() && !i.told_lost) {
    i.told_lost = true;
    listener.keeper_lost();
    any = true;
  }
  return any;
}

bool WorkerHost::harvest(HostListener& listener, std::chrono::steady_clock::time_point now) {
  auto& i = *impl_;
  if (std::exchange(i.output_since, false)) {
    i.patience = kPatience;
    i.next_harvest = std::min(i.next_harvest, now + kPatience);
  }
  if (now < i.next_harvest) return false;
  bool any = false;
  for (const auto& slot : i.slots) {
    // Who gets on shows its results itself.
    const std::uint64_t progress = slot->channel.control().progress.load(std::memory_order_acquire);
    if (std::exchange(slot->progress, progress) == progress) any |= i.give_open(*slot, listener);
  }
  i.patience = any ? kPatience : std::min(4 * i.patience, kLongestPatience);
  i.next_harvest = now + i.patience;
  return any;
}

std::optional<std::chrono::steady_clock::time_point> WorkerHost::next_harvest() const {
  const auto& i = *impl_;
  const bool nothing_held_back = std::all_of(i.slots.begin(), i.slots.end(), [](const auto& slot) {
    return slot->channel.control().chunk_items.load(std::memory_order_seq_cst) <= 1;
  });
  if (nothing_held_back) return {};
  return i.next_harvest;
}

bool WorkerHost::has_backlog() const {
  return std::any_of(impl_->slots.begin(), impl_->slots.end(),
                     [](const auto& slot) { return !slot->backlog.empty() || !slot->side_backlog.empty(); });
}

std::size_t WorkerHost::waiting(WorkerId worker) const {
  std::size_t size = 0;
  if (const auto* const slot = impl_->find(worker)) {
    for (const auto& pending : slot->backlog) size += pending.bytes.size();
  }
  return size;
}

bool WorkerHost::prepare_sleep() {
  auto& i = *impl_;
  i.keeper->page().host_sleeping.store(1, std::memory_order_seq_cst);
  if (i.keeper->page().keeper_events.load(std::memory_order_seq_cst) != i.seen_events || !i.failed.empty())
    return false;
  for (const auto& slot : i.slots) {
    if (slot->rogue) continue;
    auto& control = slot->channel.control();
    if (control.out_tail.value.load(std::memory_order_seq_cst) != slot->out_head ||
        control.side_out_tail.value.load(std::memory_order_seq_cst) != slot->side_out_head) {
      return false;
    }
  }
  return true;
}

void WorkerHost::awake() {
  impl_->keeper->page().host_sleeping.store(0, std::memory_order_seq_cst);
  std::uint64_t count = 0;
  [[maybe_unused]] const auto drained = ::read(impl_->keeper->wake(), &count, sizeof count);
  impl_->woken = true;
}

void answer_with_place(WorkerHost& host, WorkerId worker, std::uint64_t request, const wire::BlobPlace& place) {
  const detail::Bytes reply = wire::shared_reply(wire::SharedStatus::done, std::as_bytes(std::span(&place, 1)));
  wire::FrameHeader header;
  header.kind = wire::FrameKind::reply;
  header.chunk = request;
  header.length = reply.size();
  host.write_side(worker, std::as_bytes(std::span(&header, 1)));
  host.write_side(worker, reply);
}

int WorkerHost::wake_fd() const { return impl_->keeper->wake(); }
int WorkerHost::keeper_fd() const { return impl_->keeper->control(); }
bool WorkerHost::crowded() const { return impl_->crowded; }
int WorkerHost::alive() const { return static_cast<int>(impl_->slots.size()); }

}  // namespace rankpool::process
