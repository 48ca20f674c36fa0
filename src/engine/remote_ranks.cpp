#include "engine/remote_ranks.hpp"

#include "base/foreign_descriptor.hpp"
#include "base/log.hpp"
#include "base/pace.hpp"
#include "engine/input_queues.hpp"
#include "engine/node_allocation.hpp"

#include <algorithm>
#include <csignal>
#include <map>
#include <stdexcept>
#include <utility>

namespace rankpool::engine {
namespace {

/// So much may wait in the transport before broadcasts wait for it: it bounds this process's memory.
constexpr std::size_t kMaxUnsent = 32 * InputQueues::kPiece;
/// And so much for one rank: one that is stopped holds no other up.
constexpr std::size_t kMaxUnsentToOne = 4 * InputQueues::kPiece;

}  // namespace

RemoteRanks::RemoteRanks(transport::Transport& transport, const base::Settings& settings, LocalRankInfo own,
                         RankListener& listener, LocalPort* local)
    : transport_(transport),
      listener_(listener),
      local_(local),
      settings_(settings),
      own_(std::move(own)),
      blobs_(transport.rank(), {own_.facts.host, base::own_pid_space()}, *this),
      lifelines_(transport.size(), {settings.lost_after, settings.interface}, transport.rank()),
      wakeups_(transport.size()),
      give_up_waiting_(std::chrono::steady_clock::now() + pace::kAssembly) {
  by_rank_.resize(static_cast<std::size_t>(transport.size()));
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
    by_rank_[static_cast<std::size_t>(number)] = &peer;
    peer.rank = rank;
    peer.port = std::make_unique<RemotePort>(
        rank, [this, &peer](detail::Bytes bytes) { send(peer, std::move(bytes)); }, listener_, local_, blobs_);
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

RemoteRanks::Peer& RemoteRanks::peer(Rank rank) {
  Peer* const found = by_rank_.at(static_cast<std::size_t>(raw(rank)));
  if (found == nullptr) throw std::out_of_range("the root is not a peer of itself");
  return *found;
}

RankPort* RemoteRanks::port(Rank rank) { return peer(rank).port.get(); }

void RemoteRanks::send(Peer& to, detail::Bytes message) {
  if (to.standing == Standing::lost) return;
  if (lent_) {
    kept_.emplace_back(&to, std::move(message));
    return;
  }
  if (busy_) wire::append(message, wire::Received{transport_.received_from(to.rank), true});
  to.told_busy = busy_;
  to.owed = false;
  transport_.send(to.rank, std::move(message));
  wakeups_.sent(to.rank, transport_.sent_to(to.rank));
  if (std::exchange(to.peer_asleep, false)) lifelines_.ring(to.rank);
}

void RemoteRanks::send(Peer& to, const wire::Message& message) {
  detail::Bytes bytes;
  wire::append(bytes, message);
  send(to, std::move(bytes));
}

void RemoteRanks::take_back() {
  lent_ = false;
  for (auto& [to, message] : std::exchange(kept_, {})) send(*to, std::move(message));
}

bool RemoteRanks::needs_engine() const noexcept {
  return !kept_.empty() || blobs_.sending() || (local_ != nullptr && local_->host().has_rogue_neighbours());
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
  if (!arrived_.empty()) {
    senders_.clear();
    for (const auto& message : arrived_) wire::note_senders(message.bytes, senders_);
    listener_.expect_output(senders_);
  }
  for (const auto& message : arrived_) receive(message);
  arrived_.clear();
  if (any) {
    for (const auto& broken : transport_.take_broken()) lose(peer(broken.peer), {broken.how, {}});
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
  if (!blobs_.sending()) return false;
  return blobs_.send_pieces(
      [this](Rank rank) { return transport_.unsent() < kMaxUnsent && transport_.unsent_to(rank) < kMaxUnsentToOne; });
}

bool RemoteRanks::turned(bool busy, bool idle) {
  busy_ = busy;
  if (!idle || owed_.empty()) return false;
  bool any = false;
  for (Peer* const peer : owed_) {
    if (!std::exchange(peer->owed, false) || !peer->told_busy) continue;
    detail::Bytes answer;
    if (!busy_) wire::append(answer, wire::Received{transport_.received_from(peer->rank), false});
    send(*peer, std::move(answer));
    any = true;
  }
  owed_.clear();
  return any;
}

void RemoteRanks::receive(const transport::Incoming& message) {
  Peer& from = peer(message.from);
  if (from.standing == Standing::lost) return;
  if (from.told_busy && !std::exchange(from.owed, true)) owed_.push_back(&from);
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
      } else if (!receive_of_blobs(message.from, *next)) {
        throw wire::ProtocolError("a message that only rank 0 sends");
      }
    }
    from.port->flush();
  } catch (const wire::ProtocolError& e) {
    lose(from, {std::string("it sent what makes no sense: ") + e.what(), {}});
  }
}

bool RemoteRanks::receive_of_blobs(Rank from, const wire::Message& message) {
  return std::visit(
      [&](const auto& m) {
        if constexpr (requires { blobs_.handle(from, m); }) {
          blobs_.handle(from, m);
          return true;
        } else {
          return false;
        }
      },
      message);
}

void RemoteRanks::say(Rank to, const wire::Message& message) { peer(to).port->say(message); }
void RemoteRanks::flush(Rank to) { peer(to).port->flush(); }

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
    if (local_ != nullptr && from.hello.has_root_page && from.hello.host == own_.facts.host) {
      from.port->use_own_channels();
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
      const wire::Hello& hello = peer(rank).hello;
      facts = {rank, hello.host, static_cast<pid_t>(hello.pid), static_cast<pid_t>(hello.keeper_pid)};
      peer(rank).standing = Standing::member;
      blobs_.joined(rank, {hello.host, hello.pid_space}, hello.passes_on);
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
      peer(event.rank).on_the_line = true;
      assemble();
      break;
    case Kind::lost:
      lose(peer(event.rank), {event.text, event.wait_status});
      break;
    case Kind::asleep:
      if (transport_.sent_to(event.rank) > event.received) {
        lifelines_.ring(event.rank);
      } else {
        peer(event.rank).peer_asleep = true;
      }
      break;
    case Kind::ring:
      peer(event.rank).knows_we_sleep = false;
      break;
    case Kind::stranger:
      base::log_warn(event.text);
      break;
  }
}

void RemoteRanks::lose(Peer& gone, const RankEnd& end) {
  if (gone.standing == Standing::lost) return;
  gone.standing = Standing::lost;
  gone.port->forget_all_input();
  gone.port->lose_direct();
  transport_.forget(gone.rank);
  blobs_.lost(gone.rank);
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
  blobs_.stop_sending();
  for (auto& [rank, peer] : peers_) {
    if (peer.standing == Standing::lost) continue;
    base::log_info("rank " + std::to_string(raw(rank)) + " was sent " + std::to_string(transport_.sent_to(rank)) +
                   " messages and sent " + std::to_string(transport_.received_from(rank)));
    peer.port->forget_all_input();
    peer.port->flush();
    send(peer, wire::Quit{rank_lost, blobs_.partners_of(rank)});
    // Nobody looks at its lifeline here from now on: should it be about to sleep, this wakes it.
    lifelines_.ring(rank);
  }
}

bool RemoteRanks::prepare_sleep() {
  if (transport_.busy() || blobs_.sending()) return false;
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
