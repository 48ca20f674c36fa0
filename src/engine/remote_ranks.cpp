#include "engine/remote_ranks.hpp"

#include "base/log.hpp"
#include "base/pace.hpp"
#include "engine/input_queues.hpp"
#include "engine/node_allocation.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <unordered_set>
#include <utility>

namespace rankpool::engine {
namespace {

/// A message is sent on its own from this size on, so that its first bytes are under way while the rest is copied.
constexpr std::size_t kPiece = InputQueues::kPiece;

/// So much may wait in the transport before broadcasts wait for it: it bounds this process's memory.
constexpr std::size_t kMaxUnsent = 32 * kPiece;

std::atomic<std::uint64_t> g_broadcast_bytes{0};

}  // namespace

/// The way to one rank's workers: messages are gathered until `flush`.
class RemoteRanks::Port final : public RankPort {
 public:
  Port(RemoteRanks& ranks, Peer& peer) : ranks_(ranks), peer_(peer) {}

  [[nodiscard]] bool is_direct(WorkerId worker) const override { return direct_.contains(raw(worker)); }
  void start(WorkerId worker, base::WorkerOrigin origin) override {
    wire::StartWorker message{worker, origin};
    if (peer_.is_neighbour) {
      if (const auto channel = host().open_for_neighbour(worker)) {
        message.channel_fd = *channel;
        direct_.insert(raw(worker));
      }
    }
    wire::append(batch_, message);
  }
  void kill(WorkerId worker, int signal) override {
    is_direct(worker) ? host().forget_input(worker) : queues_.drop(worker);
    wire::append(batch_, wire::KillWorker{worker, signal});
  }
  void write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
             const detail::Ref<detail::ResultReceiver>& keep_alive) override {
    if (is_direct(worker)) return ranks_.local_->write(worker, header, body, keep_alive);
    std::size_t size = header.size();
    for (const auto& part : body) size += part.size();
    const bool waits = queues_.waits(worker);
    if (size <= kPiece && !waits) {
      wire::append_input(batch_, worker, header, body);
      if (batch_.size() >= kPiece) flush();
      return;
    }
    push_copy(worker, header);
    const auto owner =
        size > kPiece && keep_alive ? std::make_shared<detail::Ref<detail::ResultReceiver>>(keep_alive) : nullptr;
    for (const auto& part : body) owner ? queues_.push(worker, part, owner) : push_copy(worker, part);
    if (!waits) pump(worker);
  }
  /// The worker has taken so much of its large input.
  void taken(WorkerId worker, std::uint64_t size) {
    if (!queues_.taken(worker, size)) throw wire::ProtocolError("input taken that was not sent");
    pump(worker);
  }
  void forget_all_input() { queues_.clear(); }
  void started(const wire::WorkerStarted& started) {
    if (is_direct(started.worker)) host().neighbour_started(started.worker);
    ranks_.listener_.worker_started(started.worker, static_cast<pid_t>(started.pid));
  }
  void failed_to_start(const wire::WorkerFailedToStart& failed) {
    queues_.drop(failed.worker);
    if (direct_.erase(raw(failed.worker)) != 0) host().neighbour_lost(failed.worker, ranks_.listener_);
    ranks_.listener_.worker_failed_to_start(failed.worker, failed.why);
  }
  void ended(const wire::WorkerEnded& ended) {
    queues_.drop(ended.worker);
    const auto pid = static_cast<pid_t>(ended.pid);
    if (direct_.erase(raw(ended.worker)) != 0) {
      host().neighbour_ended(ended.worker, pid, ended.wait_status, ranks_.listener_);
    } else {
      ranks_.listener_.worker_ended(ended.worker, {pid, ended.wait_status, ended.inside_item});
    }
  }
  /// The rank is lost, and its workers with it: what they had finished is given out.
  void lose_direct() {
    for (const std::uint32_t worker : std::exchange(direct_, {})) {
      host().neighbour_lost(WorkerId{worker}, ranks_.listener_);
    }
  }
  void write_side(WorkerId worker, std::span<const std::byte> bytes) override {
    if (is_direct(worker)) return ranks_.local_->write_side(worker, bytes);
    wire::append(batch_, wire::SideInput{worker, bytes});
  }
  void give_blob(WorkerId worker, std::uint64_t request, std::uint64_t id,
                 std::shared_ptr<const channel::Blob> content) override {
    if (is_direct(worker)) return ranks_.local_->give_blob(worker, request, id, std::move(content));
    const auto [found, is_new] = blobs().try_emplace(id);
    if (is_new) {
      found->second.content = std::move(content);
      ++ranks_.blobs_under_way_;
    }
    if (found->second.content) {
      found->second.waiting.emplace_back(worker, request);
    } else {
      wire::append(batch_, wire::BlobReady{worker, request, id});
    }
  }
  void forget_blob(std::uint64_t id) override {
    const auto found = blobs().find(id);
    if (found == blobs().end()) return;
    if (found->second.content) --ranks_.blobs_under_way_;
    blobs().erase(found);
    wire::append(batch_, wire::ForgetBlob{id});
  }
  /// The next piece; true if there was one.
  bool send_blobs() {
    for (auto& [id, blob] : blobs()) {
      if (!blob.content) continue;
      const auto bytes = blob.content->bytes().subspan(blob.sent);
      const auto part = bytes.first(std::min(bytes.size(), kPiece));
      wire::append(batch_, wire::BlobPart{id, blob.content->bytes().size(), part});
      blob.sent += part.size();
      g_broadcast_bytes += part.size();
      if (part.size() == bytes.size()) {
        for (const auto& [worker, request] : blob.waiting) wire::append(batch_, wire::BlobReady{worker, request, id});
        base::log_info("broadcast " + std::to_string(id) + " sent to rank " + std::to_string(raw(peer_.rank)) + ": " +
                       std::to_string(blob.sent) + " bytes");
        blob = {};
        --ranks_.blobs_under_way_;
      }
      flush();
      return true;
    }
    return false;
  }
  void flush() override {
    if (!direct_.empty()) ranks_.local_->flush();
    if (!batch_.empty()) ranks_.send(peer_, std::exchange(batch_, detail::Bytes()));
  }

 private:
  [[nodiscard]] host::WorkerHost& host() const { return ranks_.local_->host(); }
  void push_copy(WorkerId worker, std::span<const std::byte> bytes) {
    auto copy = std::make_shared<detail::Bytes>(bytes);
    const auto view = copy->view();
    queues_.push(worker, view, std::move(copy));
  }
  void pump(WorkerId worker) {
    queues_.pump(worker, [&](std::span<const std::byte> piece) {
      wire::append(batch_, wire::LargeInput{worker, piece});
      if (batch_.size() >= kPiece) flush();
    });
  }
  std::map<std::uint64_t, Blob>& blobs() { return peer_.blobs; }

  RemoteRanks& ranks_;
  Peer& peer_;
  detail::Bytes batch_;
  InputQueues queues_;
  std::unordered_set<std::uint32_t> direct_;  ///< workers whose channels are here
};

RemoteRanks::RemoteRanks(transport::Transport& transport, const base::Settings& settings, LocalRankInfo own,
                         RankListener& listener, LocalPort* local)
    : transport_(transport),
      listener_(listener),
      local_(local),
      settings_(settings),
      own_(std::move(own)),
      lifelines_(transport.size(), {settings.lost_after, settings.interface}, transport.rank()),
      wakeups_(transport.size()),
      give_up_waiting_(std::chrono::steady_clock::now() + pace::kAssembly) {
  const liveness::Invitation& invitation = lifelines_.invitation();
  wire::Welcome welcome;
  welcome.addresses = invitation.addresses;
  welcome.port = invitation.port;
  welcome.token.assign(invitation.token.begin(), invitation.token.end());
  welcome.lost_after_ms = static_cast<std::uint64_t>(settings.lost_after.count());
  welcome.workers = settings.workers.value_or(0);
  const liveness::WakePlace wakeup = wakeups_.place();
  welcome.wakeup_pid = wakeup.pid;
  welcome.wakeup_fd = wakeup.fd;
  welcome.wakeup_number = wakeup.number;
  welcome.wakeup_pid_space = wakeup.pid_space;
  if (local_ != nullptr) {
    const host::HostPlace place = local_->host().place();
    welcome.host_page = place.page;
    welcome.host_wake = place.wake;
  }
  for (std::int32_t number = 0; number < transport_.size(); ++number) {
    const Rank rank{number};
    if (rank == transport_.rank()) continue;
    Peer& peer = peers_[rank];
    peer.rank = rank;
    peer.port = std::make_unique<Port>(*this, peer);
    detail::Bytes message;
    wire::append(message, welcome);
    transport_.send(rank, std::move(message));  // it is not asleep yet
  }
  assemble();
}

RemoteRanks::~RemoteRanks() = default;

std::vector<Rank> RemoteRanks::ranks() const {
  std::vector<Rank> all;
  for (const auto& [rank, peer] : peers_) all.push_back(rank);
  return all;
}

RankPort* RemoteRanks::port(Rank rank) { return peers_.at(rank).port.get(); }

void RemoteRanks::send(Peer& to, detail::Bytes message) {
  if (to.standing == Standing::lost) return;
  transport_.send(to.rank, std::move(message));
  wakeups_.sent(to.rank, transport_.sent_to(to.rank));
  if (std::exchange(to.peer_asleep, false)) lifelines_.ring(to.rank);
}

void RemoteRanks::send(Peer& to, const wire::Message& message) {
  detail::Bytes bytes;
  wire::append(bytes, message);
  send(to, std::move(bytes));
}

/// The ranks and the transport say so: asking MPI would take longer.
bool RemoteRanks::nothing_under_way() {
  return all_by_wakeup_ && !transport_.busy() &&
         !wakeups_.under_way([this](Rank rank) { return transport_.received_from(rank); });
}

void RemoteRanks::count_wakeups() {
  all_by_wakeup_ = assembled_;
  for (const auto& [rank, peer] : peers_) {
    if (peer.standing == Standing::member && !wakeups_.connected(rank)) all_by_wakeup_ = false;
  }
}

bool RemoteRanks::poll(std::chrono::steady_clock::time_point now) {
  bool any = !nothing_under_way() && transport_.poll(arrived_);
  for (const auto& message : arrived_) receive(message);
  arrived_.clear();
  if (any) {
    for (const auto& broken : transport_.take_broken()) lose(peers_.at(broken.peer), {broken.how, {}});
  }
  any |= send_blobs();
  end_rogue_neighbours();
  if (std::exchange(quiet_, false)) next_look_ = now + pace::kLookAtLifelines;
  if (now >= next_look_) {
    next_look_ = now + pace::kLookAtLifelines;
    any |= lifelines_.poll(events_);
    for (const auto& event : events_) handle(event);
    events_.clear();
    if (!assembled_ && now >= give_up_waiting_) {
      for (auto& [rank, peer] : peers_) {
        if (!is_awaited(peer)) continue;
        base::log_error("rank " + std::to_string(raw(rank)) + " has not reported within " +
                        std::to_string(pace::kAssembly.count()) + " s of the start; the job goes on without it");
        lose(peer, {"no report at the start", {}});
      }
      assemble();
    }
  }
  return any;
}

bool RemoteRanks::send_blobs() {
  if (blobs_under_way_ == 0) return false;
  bool any = false;
  for (auto& [rank, peer] : peers_) {
    if (transport_.unsent() >= kMaxUnsent) break;
    any |= peer.port->send_blobs();
  }
  return any;
}

std::uint64_t RemoteRanks::broadcast_bytes_sent() noexcept { return g_broadcast_bytes.load(); }

void RemoteRanks::receive(const transport::Incoming& message) {
  Peer& from = peers_.at(message.from);
  if (from.standing == Standing::lost) return;
  try {
    wire::EnvelopeReader envelope(message.bytes);
    while (auto next = envelope.next()) {
      if (auto* hello = std::get_if<wire::Hello>(&*next)) {
        greet(from, *hello);
      } else if (const auto* farewell = std::get_if<wire::Farewell>(&*next)) {
        if (from.standing != Standing::member) {
          base::log_error("rank " + std::to_string(raw(message.from)) + " takes no part: " + farewell->why);
        }
        lose(from, {farewell->why, {}});
        return;
      } else if (from.standing != Standing::member) {
        throw wire::ProtocolError("a message before its greeting");
      } else if (const auto* output = std::get_if<wire::Output>(&*next)) {
        if (from.port->is_direct(output->worker)) throw wire::ProtocolError("output of a worker that is read here");
        listener_.worker_output(output->worker, output->bytes);
      } else if (const auto* taken = std::get_if<wire::InputTaken>(&*next)) {
        from.port->taken(taken->worker, taken->size);
      } else if (const auto* side = std::get_if<wire::SideOutput>(&*next)) {
        if (from.port->is_direct(side->worker)) throw wire::ProtocolError("output of a worker that is read here");
        listener_.worker_side_output(side->worker, side->bytes);
      } else if (const auto* started = std::get_if<wire::WorkerStarted>(&*next)) {
        from.port->started(*started);
      } else if (const auto* failed = std::get_if<wire::WorkerFailedToStart>(&*next)) {
        from.port->failed_to_start(*failed);
      } else if (const auto* ended = std::get_if<wire::WorkerEnded>(&*next)) {
        from.port->ended(*ended);
      } else {
        throw wire::ProtocolError("a message that only rank 0 sends");
      }
    }
    from.port->flush();
  } catch (const wire::ProtocolError& e) {
    lose(from, {std::string("it sent what makes no sense: ") + e.what(), {}});
  }
}

void RemoteRanks::end_rogue_neighbours() {
  if (neighbours_ == 0) return;
  for (const WorkerId worker : local_->host().take_rogue_neighbours()) {
    for (auto& [rank, peer] : peers_) {
      if (!peer.port->is_direct(worker)) continue;
      peer.port->kill(worker, SIGKILL);
      peer.port->flush();
    }
  }
}

void RemoteRanks::greet(Peer& from, wire::Hello& hello) {
  if (from.standing != Standing::invited) throw wire::ProtocolError("a second greeting");
  if (hello.build != own_.build) {
    base::log_error("rank " + std::to_string(raw(from.rank)) + " on " + hello.host +
                    " runs another build of the program (" + hello.program +
                    ") than rank 0 and takes no part: install the same binary on all nodes");
    from.standing = Standing::refused;
  } else {
    from.standing = Standing::greeted;
    from.hello = std::move(hello);
    // As for their cores: who has the same host name is of the same node.
    from.is_neighbour = local_ != nullptr && from.hello.has_root_page && from.hello.host == own_.facts.host;
    if (from.is_neighbour) {
      local_->host().set_neighbours(++neighbours_);
    } else if (local_ != nullptr && from.hello.host == own_.facts.host) {
      base::log_info("what goes to workers of rank " + std::to_string(raw(from.rank)) +
                     " passes through it, though it is of this node: it cannot open what rank 0 has open (another name "
                     "space of processes, or no /proc)");
    }
    wakeups_.connect(from.rank, static_cast<pid_t>(from.hello.pid), from.hello.wakeup_pipe,
                     transport_.sent_to(from.rank));
  }
  assemble();
}

void RemoteRanks::assemble() {
  if (assembled_) return;
  if (std::any_of(peers_.begin(), peers_.end(), [](const auto& entry) { return is_awaited(entry.second); })) return;
  assembled_ = true;
  std::vector<RankAllowance> allowances{
      {own_.facts.rank, own_.facts.host, own_.allowance, settings_.workers.value_or(0), own_.facts.memory_of_node}};
  for (const auto& [rank, peer] : peers_) {
    if (peer.standing != Standing::greeted) continue;
    allowances.push_back({rank,
                          peer.hello.host,
                          {peer.hello.cores, peer.hello.core_limit, peer.hello.slurm_cores},
                          peer.hello.workers != 0 ? peer.hello.workers : settings_.workers.value_or(0),
                          peer.hello.memory});
  }
  for (const auto& [rank, workers, cores_of_node, memory_of_node] : share_nodes(allowances)) {
    RankFacts facts = own_.facts;
    if (rank != own_.facts.rank) {
      const wire::Hello& hello = peers_.at(rank).hello;
      facts = {rank, hello.host, static_cast<pid_t>(hello.pid), static_cast<pid_t>(hello.keeper_pid)};
      peers_.at(rank).standing = Standing::member;
    }
    facts.workers = rank != own_.facts.rank || own_.serves ? workers : 0;
    facts.cores_of_node = cores_of_node;
    facts.memory_of_node = memory_of_node;
    listener_.rank_joined(facts);
  }
  count_wakeups();
}

void RemoteRanks::handle(const liveness::LifelineEvent& event) {
  using Kind = liveness::LifelineEvent::Kind;
  switch (event.kind) {
    case Kind::joined:
      peers_.at(event.rank).on_the_line = true;
      assemble();
      break;
    case Kind::lost:
      lose(peers_.at(event.rank), {event.text, event.wait_status});
      break;
    case Kind::asleep:
      if (transport_.sent_to(event.rank) > event.received) {
        lifelines_.ring(event.rank);
      } else {
        peers_.at(event.rank).peer_asleep = true;
      }
      break;
    case Kind::ring:
      peers_.at(event.rank).knows_we_sleep = false;
      break;
    case Kind::stranger:
      base::log_warn(event.text);
      break;
  }
}

void RemoteRanks::lose(Peer& gone, const RankEnd& end) {
  if (gone.standing == Standing::lost) return;
  gone.standing = Standing::lost;
  for (const auto& [id, blob] : gone.blobs) blobs_under_way_ -= blob.content ? 1 : 0;
  gone.blobs.clear();
  gone.port->forget_all_input();
  gone.port->lose_direct();
  transport_.forget(gone.rank);
  lifelines_.drop(gone.rank);
  wakeups_.disconnect(gone.rank);
  listener_.rank_lost(gone.rank, end);
  assemble();
  count_wakeups();
}

void RemoteRanks::tell_to_stop() {
  for (auto& [rank, peer] : peers_) send(peer, wire::StopRequested{});
}

void RemoteRanks::dismiss(bool rank_lost) {
  for (auto& [rank, peer] : peers_) {
    if (peer.standing == Standing::lost) continue;
    peer.port->forget_all_input();
    peer.port->flush();
    send(peer, wire::Quit{rank_lost});
    // Nobody looks at its lifeline here from now on: should it be about to sleep, this wakes it.
    lifelines_.ring(rank);
  }
}

bool RemoteRanks::prepare_sleep() {
  if (transport_.busy() || blobs_under_way_ != 0) return false;
  for (auto& [rank, peer] : peers_) {
    if (!peer.on_the_line) {
      if (peer.standing == Standing::lost) continue;
      return false;  // nobody could wake us for it
    }
    if (peer.standing == Standing::lost || wakeups_.connected(rank)) continue;
    if (std::exchange(peer.knows_we_sleep, true)) continue;
    lifelines_.asleep(rank, transport_.received_from(rank));
  }
  return wakeups_.prepare_sleep([this](Rank rank) { return transport_.received_from(rank); });
}

}  // namespace rankpool::engine
