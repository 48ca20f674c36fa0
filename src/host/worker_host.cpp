#include "host/worker_host.hpp"

#include "base/cores.hpp"
#include "base/limits.hpp"
#include "base/pace.hpp"
#include "host/host_endpoint.hpp"
#include "keeper/keeper.hpp"
#include "wire/frame_headers.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <csignal>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace rankpool::host {
class WorkerHost::Impl {
 public:
  explicit Impl(std::unique_ptr<keeper::KeeperConnection> link) : keeper(std::move(link)) {}

  HostEndpoint* find(WorkerId id) {
    const auto found = index.find(raw(id));
    return found == index.end() ? nullptr : found->second;
  }
  void erase(WorkerId id) {
    index.erase(raw(id));
    std::erase_if(lines, [&](const auto& line) { return line->id() == id; });
    std::erase(rogues, id);
    count_heads();
  }
  /// How many of the node's processes `own` of our workers and `of_neighbours` stand for: other ranks have as many as
  /// we.
  [[nodiscard]] long on_node(long own, long of_neighbours) const {
    return own * std::max(ranks_here - neighbours, 1) + of_neighbours;
  }
  template <class Holds>
  [[nodiscard]] long count_on_node(long least, Holds&& holds) const {
    std::array<long, 2> counts{};
    for (const auto& line : lines) counts[static_cast<std::size_t>(line->kept_by())] += holds(*line) ? 1 : 0;
    return on_node(std::max(counts[0], least), counts[1]);
  }
  void count_heads() {
    oversubscribed = count_on_node(1, [](const auto&) { return true; }) > cores_here;
    keeper->page().oversubscribed.store(oversubscribed ? 1 : 0, std::memory_order_relaxed);
  }
  /// Kills it if it has turned out to be rogue; its end is told as ever.
  void judge(const HostEndpoint& line) {
    if (!line.rogue() || std::find(rogues.begin(), rogues.end(), line.id()) != rogues.end()) return;
    rogues.push_back(line.id());
    if (line.kept_by() == KeptBy::neighbour) return rogue_neighbours.push_back(line.id());
    keeper->send({keeper::KeeperMessage::Kind::kill, raw(line.id()), SIGKILL, 0});
  }
  static void give_all(HostEndpoint& line, HostListener& listener) {
    while (line.drain(listener, static_cast<std::size_t>(-1)) != 0) {
    }
    line.give_unpublished(listener);
  }
  void ended(HostEndpoint& line, HostListener& listener, pid_t pid, int status) {
    give_all(line, listener);
    const bool inside = line.inside_item();
    const WorkerId id = line.id();
    erase(id);
    listener.worker_ended(id, {pid, status, inside});
  }
  HostEndpoint* find_of_neighbour(WorkerId id) {
    auto* const line = find(id);
    return line != nullptr && line->kept_by() == KeptBy::neighbour ? line : nullptr;
  }
  void close_channel_of(HostEndpoint& line) {
    if (line.channel().fd() < 0) return;
    line.channel().close_descriptor();
    --open_channels;
  }
  /// What the keeper tells of a worker whose channel rank 0 has.
  void pass_on(const keeper::KeeperMessage& message, HostListener& listener) {
    using Kind = keeper::KeeperMessage::Kind;
    const WorkerId worker{message.worker};
    if (message.kind == Kind::spawned) return listener.worker_started(worker, message.number);
    for_root.erase(message.worker);
    if (message.kind == Kind::spawn_failed) {
      listener.worker_failed_to_start(worker, base::error_text(message.number));
    } else if (message.kind == Kind::ended) {
      listener.worker_ended(worker, {message.number, message.status, false});
    }
  }

  std::unique_ptr<keeper::KeeperConnection> keeper;
  const int ranks_here = base::ranks_on_node(base::environment);
  int neighbours = 0;  ///< of these
  const long cores_here = ::sysconf(_SC_NPROCESSORS_ONLN);
  bool oversubscribed = ranks_here > cores_here;
  std::vector<std::unique_ptr<HostEndpoint>> lines;
  std::unordered_map<std::uint32_t, HostEndpoint*> index;
  std::vector<WorkerId> rogues;  ///< that were told to the keeper
  std::vector<WorkerId> rogue_neighbours;
  int open_channels = 0;                       ///< of neighbours' workers
  std::unordered_set<std::uint32_t> for_root;  ///< workers whose channels rank 0 has
  std::vector<std::pair<WorkerId, std::string>> failed;
  std::uint32_t seen_events = 0;
  bool told_lost = false;
  std::chrono::steady_clock::time_point next_collection{};
  std::chrono::milliseconds patience = pace::kLookFirst;
  bool output_since = false;  ///< the last collect_unpublished
  std::optional<std::chrono::steady_clock::time_point> defer_wakeup_until;
  bool woken = false;  ///< it may have been the keeper's socket, which tells of the keeper's end too
};

WorkerHost::WorkerHost(std::unique_ptr<keeper::KeeperConnection> keeper)
    : impl_(std::make_unique<Impl>(std::move(keeper))) {}
WorkerHost::~WorkerHost() = default;

void WorkerHost::start(WorkerId worker, base::WorkerOrigin origin) {
  try {
    auto line = std::make_unique<HostEndpoint>(worker);
    if (!impl_->keeper->send({keeper::KeeperMessage::Kind::spawn, raw(worker), static_cast<std::int32_t>(origin), 0},
                             line->channel().fd())) {
      impl_->failed.emplace_back(worker, "the keeper is gone");
      return;
    }
    line->channel().close_descriptor();  // a worker is not to cost an open file
    impl_->index[raw(worker)] = line.get();
    impl_->lines.push_back(std::move(line));
    impl_->count_heads();
  } catch (const std::exception& e) {
    impl_->failed.emplace_back(worker, base::explain(e));
  }
}

void WorkerHost::write(WorkerId worker, std::span<const std::byte> bytes) { write(worker, bytes, nullptr); }

void WorkerHost::write(WorkerId worker, std::span<const std::byte> bytes, std::shared_ptr<const void> keep_alive) {
  auto* const line = impl_->find(worker);
  if (line == nullptr || bytes.empty()) return;
  line->write(bytes, std::move(keep_alive));
  impl_->judge(*line);
}

void WorkerHost::write_side(WorkerId worker, std::span<const std::byte> bytes) {
  auto* const line = impl_->find(worker);
  if (line == nullptr) return;
  line->write_side(bytes);
  impl_->judge(*line);
}

std::shared_ptr<channel::Leases> WorkerHost::leases(WorkerId worker) {
  auto* const line = impl_->find(worker);
  return line == nullptr || line->rogue() ? nullptr : line->channel().leases();
}

channel::FutexWake WorkerHost::show(WorkerId worker) {
  auto* const line = impl_->find(worker);
  return line == nullptr ? channel::FutexWake() : line->show();
}

void WorkerHost::tell_to_stop() noexcept { impl_->keeper->page().stop_requested.store(1, std::memory_order_relaxed); }

void WorkerHost::kill(WorkerId worker, int signal) {
  // What it was still to be sent may be freed as soon as it is given up.
  if (auto* const line = impl_->find(worker)) line->forget_backlog();
  impl_->keeper->send({keeper::KeeperMessage::Kind::kill, raw(worker), signal, 0});
}

bool WorkerHost::poll(HostListener& listener, std::size_t max_output) {
  auto& i = *impl_;
  bool any = false;
  for (std::size_t n = 0; n < i.lines.size() && max_output > 0; ++n) {
    auto& line = *i.lines[n];
    any |= line.push_backlog();
    any |= line.push_side();
    const std::size_t size = line.drain(listener, max_output);
    i.judge(line);
    any |= size != 0;
    i.output_since |= size != 0;
    max_output -= std::min(size, max_output);
  }
  for (auto& [worker, why] : std::exchange(i.failed, {})) {
    listener.worker_failed_to_start(worker, why);
    any = true;
  }
  const std::uint32_t events = i.keeper->page().keeper_events.load(std::memory_order_acquire);
  if (events == i.seen_events && !std::exchange(i.woken, false) && !i.keeper->lost()) return any;
  i.seen_events = events;
  while (auto message = i.keeper->receive()) {
    any = true;
    const WorkerId worker{message->worker};
    if (i.for_root.contains(message->worker)) {
      i.pass_on(*message, listener);
      continue;
    }
    auto* const line = i.find(worker);
    if (line == nullptr) continue;
    if (message->kind == keeper::KeeperMessage::Kind::spawned) {
      listener.worker_started(worker, message->number);
    } else if (message->kind == keeper::KeeperMessage::Kind::spawn_failed) {
      i.erase(worker);
      listener.worker_failed_to_start(worker, base::error_text(message->number));
    } else if (message->kind == keeper::KeeperMessage::Kind::ended) {
      i.ended(*line, listener, message->number, message->status);
    }
  }
  if (i.keeper->lost() && !i.told_lost) {
    i.told_lost = true;
    listener.keeper_lost();
    any = true;
  }
  return any;
}

bool WorkerHost::collect_unpublished(HostListener& listener, std::chrono::steady_clock::time_point now) {
  auto& i = *impl_;
  if (std::exchange(i.output_since, false)) {
    i.patience = pace::kLookFirst;
    i.next_collection = std::min(i.next_collection, now + pace::kLookFirst);
  }
  if (now < i.next_collection) return false;
  bool any = false;
  for (const auto& line : i.lines) any |= line->collect_unpublished(listener);
  i.patience = any ? pace::kLookFirst : std::min(4 * i.patience, pace::kLookAtMost);
  i.next_collection = now + i.patience;
  return any;
}

void WorkerHost::end_all() {
  class Nobody final : public HostListener {
    void worker_started(WorkerId, pid_t) override {}
    void worker_failed_to_start(WorkerId, const std::string&) override {}
    void worker_output(WorkerId, std::span<const std::byte>) override {}
    void worker_side_output(WorkerId, std::span<const std::byte>) override {}
    void worker_ended(WorkerId, const WorkerEnd&) override {}
    void keeper_lost() override {}
  } nobody;
  auto& i = *impl_;
  std::erase_if(i.lines, [](const auto& line) { return line->kept_by() == KeptBy::neighbour; });
  i.index.clear();
  for (const auto& line : i.lines) i.index[raw(line->id())] = line.get();
  i.open_channels = i.neighbours = 0;
  for (const auto& line : i.lines) kill(line->id(), SIGKILL);
  for (const std::uint32_t worker : i.for_root) kill(WorkerId{worker}, SIGKILL);
  const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!(i.lines.empty() && i.for_root.empty()) && !i.told_lost && std::chrono::steady_clock::now() < enough) {
    if (!poll(nobody)) ::poll(nullptr, 0, 1);
  }
}

HostPlace WorkerHost::place() const noexcept { return {impl_->keeper->page_memory(), impl_->keeper->wake()}; }

void WorkerHost::set_neighbours(int ranks) {
  impl_->neighbours = ranks;
  impl_->count_heads();
}

std::optional<int> WorkerHost::open_for_neighbour(WorkerId worker) {
  auto& i = *impl_;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || static_cast<rlim_t>(i.open_channels) >= limit.rlim_cur / 4) return {};
  try {
    auto line = std::make_unique<HostEndpoint>(worker, KeptBy::neighbour);
    const int fd = line->channel().fd();
    i.index[raw(worker)] = line.get();
    i.lines.push_back(std::move(line));
    ++i.open_channels;
    i.count_heads();
    return fd;
  } catch (const std::exception&) {  // no memory, no descriptor: its rank may have them
    i.index.erase(raw(worker));
    return {};
  }
}

void WorkerHost::neighbour_started(WorkerId worker) {
  if (auto* const line = impl_->find_of_neighbour(worker)) impl_->close_channel_of(*line);
}

void WorkerHost::neighbour_ended(WorkerId worker, pid_t pid, int wait_status, HostListener& listener) {
  auto* const line = impl_->find_of_neighbour(worker);
  if (line == nullptr) return;
  impl_->close_channel_of(*line);
  impl_->ended(*line, listener, pid, wait_status);
}

void WorkerHost::neighbour_lost(WorkerId worker, HostListener& listener) {
  auto* const line = impl_->find_of_neighbour(worker);
  if (line == nullptr) return;
  impl_->close_channel_of(*line);
  impl_->give_all(*line, listener);
  impl_->erase(worker);
}

void WorkerHost::forget_input(WorkerId worker) {
  if (auto* const line = impl_->find(worker)) line->forget_backlog();
}

bool WorkerHost::has_rogue_neighbours() const noexcept { return !impl_->rogue_neighbours.empty(); }
std::vector<WorkerId> WorkerHost::take_rogue_neighbours() { return std::exchange(impl_->rogue_neighbours, {}); }

bool WorkerHost::set_root(int page, int wake) {
  using Kind = keeper::KeeperMessage::Kind;
  return impl_->keeper->send({Kind::other_page, 0, 0, 0}, page) &&
         impl_->keeper->send({Kind::other_wake, 0, 0, 0}, wake);
}

void WorkerHost::start_for_root(WorkerId worker, int channel, base::WorkerOrigin origin) {
  const std::int32_t how = keeper::KeeperMessage::kForOtherHost | static_cast<std::int32_t>(origin);
  if (impl_->keeper->send({keeper::KeeperMessage::Kind::spawn, raw(worker), how, 0}, channel)) {
    impl_->for_root.insert(raw(worker));
  } else {
    impl_->failed.emplace_back(worker, "the keeper is gone");
  }
  ::close(channel);
}

std::optional<std::chrono::steady_clock::time_point> WorkerHost::next_look() const {
  const auto& i = *impl_;
  if (std::none_of(i.lines.begin(), i.lines.end(), [](const auto& line) { return line->may_hold_back(); })) {
    return i.defer_wakeup_until;
  }
  return std::min(i.next_collection, i.defer_wakeup_until.value_or(i.next_collection));
}

bool WorkerHost::has_backlog() const {
  return std::any_of(impl_->lines.begin(), impl_->lines.end(), [](const auto& line) { return line->has_backlog(); });
}

std::size_t WorkerHost::waiting(WorkerId worker) const {
  const auto* const line = impl_->find(worker);
  return line == nullptr ? 0 : line->waiting();
}

bool WorkerHost::prepare_sleep(channel::HostSleeps how) {
  auto& i = *impl_;
  i.keeper->page().host_sleeps.store(how, std::memory_order_seq_cst);
  if (i.keeper->page().keeper_events.load(std::memory_order_seq_cst) != i.seen_events || !i.failed.empty())
    return false;
  const auto now = std::chrono::steady_clock::now();
  i.defer_wakeup_until.reset();
  for (const auto& line : i.lines) {
    if (const auto until = line->defer_wakeups(now))
      i.defer_wakeup_until = std::min(*until, i.defer_wakeup_until.value_or(*until));
  }
  return std::none_of(i.lines.begin(), i.lines.end(), [](const auto& line) { return line->has_output(); });
}

void WorkerHost::awake(bool rung, bool by_keeper) {
  impl_->keeper->page().host_sleeps.store(channel::HostSleeps::no, std::memory_order_seq_cst);
  if (rung) impl_->keeper->take_rings();
  if (by_keeper) impl_->woken = true;
}

void WorkerHost::take_rings() noexcept { impl_->keeper->take_rings(); }

std::uint32_t WorkerHost::wakeups() const noexcept {
  return impl_->keeper->page().host_wakeup.load(std::memory_order_seq_cst);
}

void WorkerHost::sleep_on_futex(std::uint32_t seen,
                                std::optional<std::chrono::steady_clock::time_point> until) noexcept {
  channel::sleep_on(impl_->keeper->page().host_wakeup, seen, until);
}

void WorkerHost::end_sleep_on_futex() noexcept { channel::wake_on(impl_->keeper->page().host_wakeup); }

void answer_with_place_of(WorkerHost& host, WorkerId worker, std::uint64_t request, const channel::Blob& blob) {
  detail::Bytes reply;
  try {
    const wire::BlobPlace place = blob.place();
    reply = wire::shared_reply(wire::SharedStatus::done, std::as_bytes(std::span(&place, 1)));
  } catch (const std::exception& e) {
    const std::string why = base::explain(e);
    reply = wire::shared_reply(wire::SharedStatus::error, std::as_bytes(std::span(why)));
  }
  const wire::FrameHeader header = wire::CallHeader{wire::FrameKind::reply, request}.frame(reply.size());
  host.write_side(worker, std::as_bytes(std::span(&header, 1)));
  host.write_side(worker, reply);
}

int WorkerHost::wake_fd() const { return impl_->keeper->wake(); }
int WorkerHost::keeper_fd() const { return impl_->keeper->control(); }
bool WorkerHost::oversubscribed() const { return impl_->oversubscribed; }
bool WorkerHost::core_to_spare() const {
  return impl_->count_on_node(0, [](auto& line) { return line.at_work(); }) < impl_->cores_here;
}
int WorkerHost::alive() const { return static_cast<int>(impl_->lines.size()); }

}  // namespace rankpool::host
