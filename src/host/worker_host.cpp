#include "host/worker_host.hpp"

#include "base/cores.hpp"
#include "base/limits.hpp"
#include "base/pace.hpp"
#include "host/host_endpoint.hpp"
#include "keeper/keeper.hpp"
#include "wire/frame_headers.hpp"

#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <unordered_map>
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
  void count_heads() {
    const std::size_t heads = std::max<std::size_t>(lines.size(), 1) * static_cast<std::size_t>(ranks_here);
    oversubscribed = heads > static_cast<std::size_t>(cores_here);
    keeper->page().oversubscribed.store(oversubscribed ? 1 : 0, std::memory_order_relaxed);
  }
  /// Kills it if it has turned out to be rogue; its end is told as ever.
  void judge(const HostEndpoint& line) {
    if (!line.rogue() || std::find(rogues.begin(), rogues.end(), line.id()) != rogues.end()) return;
    rogues.push_back(line.id());
    keeper->send({keeper::KeeperMessage::Kind::kill, raw(line.id()), SIGKILL, 0});
  }
  void ended(HostEndpoint& line, HostListener& listener, pid_t pid, int status) {
    while (line.drain(listener, static_cast<std::size_t>(-1)) != 0) {
    }
    line.give_unpublished(listener);
    const bool inside = line.inside_item();
    const WorkerId id = line.id();
    erase(id);
    listener.worker_ended(id, {pid, status, inside});
  }

  std::unique_ptr<keeper::KeeperConnection> keeper;
  const int ranks_here = base::ranks_on_node(base::environment);
  const long cores_here = ::sysconf(_SC_NPROCESSORS_ONLN);
  bool oversubscribed = ranks_here > cores_here;
  std::vector<std::unique_ptr<HostEndpoint>> lines;
  std::unordered_map<std::uint32_t, HostEndpoint*> index;
  std::vector<WorkerId> rogues;  ///< that were told to the keeper
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

void WorkerHost::start(WorkerId worker, bool with_folders) {
  try {
    auto line = std::make_unique<HostEndpoint>(worker);
    if (!impl_->keeper->send({keeper::KeeperMessage::Kind::spawn, raw(worker), with_folders ? 1 : 0, 0},
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
  for (const auto& line : i.lines) kill(line->id(), SIGKILL);
  const auto enough = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!i.lines.empty() && !i.told_lost && std::chrono::steady_clock::now() < enough) {
    if (!poll(nobody)) ::poll(nullptr, 0, 1);
  }
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

bool WorkerHost::prepare_sleep() {
  auto& i = *impl_;
  i.keeper->page().host_sleeping.store(1, std::memory_order_seq_cst);
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
  impl_->keeper->page().host_sleeping.store(0, std::memory_order_seq_cst);
  if (rung) impl_->keeper->take_rings();
  if (by_keeper) impl_->woken = true;
}

void answer_with_place(WorkerHost& host, WorkerId worker, std::uint64_t request, const wire::BlobPlace& place) {
  const detail::Bytes reply = wire::shared_reply(wire::SharedStatus::done, std::as_bytes(std::span(&place, 1)));
  const auto header = wire::CallHeader{wire::FrameKind::reply, request}.frame(reply.size());
  host.write_side(worker, std::as_bytes(std::span(&header, 1)));
  host.write_side(worker, reply);
}

int WorkerHost::wake_fd() const { return impl_->keeper->wake(); }
int WorkerHost::keeper_fd() const { return impl_->keeper->control(); }
bool WorkerHost::oversubscribed() const { return impl_->oversubscribed; }
bool WorkerHost::core_to_spare() const {
  const auto busy =
      std::count_if(impl_->lines.begin(), impl_->lines.end(), [](const auto& line) { return line->at_work(); });
  return busy * impl_->ranks_here < impl_->cores_here;
}
int WorkerHost::alive() const { return static_cast<int>(impl_->lines.size()); }

}  // namespace rankpool::host
