#include "agent/agent.hpp"

#include "base/foreign_descriptor.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/pace.hpp"

#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

namespace rankpool::agent {
namespace {

using Clock = std::chrono::steady_clock;

/// A batch is sent on its own from this size on.
constexpr std::size_t kPiece = std::size_t{256} << 10U;
/// So much may be on its way to rank 0 before workers have to wait: it bounds this process's memory.
constexpr std::size_t kMaxUnsent = 16 * kPiece;
/// What is longer is worth a message of its own.
constexpr std::size_t kSmall = std::size_t{32} << 10U;

}  // namespace

Agent::Agent(transport::Transport& transport, host::WorkerHost& host, AgentOptions options)
    : transport_(transport),
      host_(host),
      options_(std::move(options)),
      invited_until_(Clock::now() + pace::kAssembly) {}

Agent::~Agent() = default;

Ending Agent::run() {
  while (!ending_) turn(Rest::allowed);
  base::log_info(std::to_string(waited_) + " messages with results waited for more, while rank 0 was busy");
  return *ending_;
}

void Agent::turn(Rest rest) {
  if (ending_) return;
  const auto now = Clock::now();
  bool any = take_messages(now);
  // Workers wait when rank 0 or the wire cannot keep up.
  const std::size_t unsent = transport_.unsent_to(transport_.root()) + batch_.size();
  if (unsent < kMaxUnsent) {
    any |= host_.poll(*this, kMaxUnsent - unsent);
    any |= host_.collect_unpublished(*this, now);
  }
  if (relay_.active()) any |= relay_.advance(now);
  tell_taken();
  // Where tasks run in this thread the next turn may be far.
  if (rest == Rest::none || !may_wait(now)) {
    send_batch();
  } else if (!batch_.empty() && !std::exchange(batch_waits_, true)) {
    ++waited_;
  }
  any |= look_at_lifeline(now);
  if (dismissed_ && !ending_ && relay_.parted()) ending_ = Ending::dismissed;
  if (!lifeline_ && now > invited_until_) {
    base::log_error("rank 0 has not sent an invitation within " + std::to_string(pace::kAssembly.count()) + " s");
    ending_ = Ending::rank_0_lost;
  }
  if (any) {
    idler_.worked(now);
    // A worker that shares our core has to make room before there is more to do.
    if (host_.has_backlog()) ::sched_yield();
  } else if (rest == Rest::allowed && !ending_ &&
             !idler_.look_again(now, host_.oversubscribed(), [&] { return host_.core_to_spare(); })) {
    sleep();
  }
}

/// Rank 0 and the transport say so: asking MPI would take longer.
bool Agent::nothing_under_way() const {
  return wakeup_ && wakeup_->connected() && !transport_.busy() && !relay_.active() &&
         !wakeup_->under_way(transport_.received_from(transport_.root()));
}

bool Agent::take_messages(Clock::time_point now) {
  if (nothing_under_way()) return false;
  const bool any = transport_.poll(arrived_);
  for (auto& incoming : arrived_) {
    if (ending_) continue;
    if (incoming.from != transport_.root()) {
      relay_.take(incoming.from, incoming.bytes);
      continue;
    }
    const auto bytes = std::make_shared<detail::Bytes>(std::move(incoming.bytes));
    received_.reset();
    try {
      wire::EnvelopeReader envelope(*bytes);
      while (auto message = envelope.next()) handle(*message, bytes);
      received_ && received_->busy ? gathering_.heard_busy(now, received_->messages) : gathering_.heard_free();
    } catch (const wire::ProtocolError& e) {
      base::log_error(std::string("rank 0 sent what makes no sense: ") + e.what());
      ending_ = Ending::rank_0_lost;
    }
  }
  arrived_.clear();
  if (any) {
    for (const auto& broken : transport_.take_broken()) {
      if (ending_) continue;
      if (broken.peer != transport_.root()) {
        relay_.broken(broken.peer, broken.how);
        continue;
      }
      base::log_error("rank 0 cannot be reached any more: " + broken.how);
      ending_ = Ending::rank_0_lost;
    }
  }
  for (const WorkerId worker : written_) host_.flush(worker);
  written_.clear();
  return any;
}

void Agent::handle(const wire::Message& message, const std::shared_ptr<const detail::Bytes>& owner) {
  const auto wrote = [&](WorkerId worker) {
    if (written_.empty() || written_.back() != worker) written_.push_back(worker);
  };
  if (const auto* input = std::get_if<wire::Input>(&message)) {
    host_.write(input->worker, input->bytes);
    wrote(input->worker);
  } else if (const auto* large = std::get_if<wire::LargeInput>(&message)) {
    host_.write(large->worker, large->bytes, owner);
    untold_[large->worker] += large->bytes.size();
    wrote(large->worker);
  } else if (const auto* received = std::get_if<wire::Received>(&message)) {
    received_ = *received;
  } else if (const auto* side = std::get_if<wire::SideInput>(&message)) {
    host_.write_side(side->worker, side->bytes);
  } else if (const auto* start = std::get_if<wire::StartWorker>(&message)) {
    this->start(*start);
  } else if (const auto* kill = std::get_if<wire::KillWorker>(&message)) {
    host_.kill(kill->worker, kill->signal);
  } else if (std::holds_alternative<wire::StopRequested>(message)) {
    host_.tell_to_stop();
  } else if (const auto* quit = std::get_if<wire::Quit>(&message)) {
    if (quit->rank_lost) {
      ending_ = Ending::dismissed_with_loss;
    } else {
      dismissed_ = true;
      relay_.part_with(quit->partners);
    }
  } else if (const auto* invitation = std::get_if<wire::Welcome>(&message)) {
    welcome(*invitation);
  } else {
    const bool of_blobs = std::visit(
        [&](const auto& m) {
          if constexpr (requires { relay_.handle(m); }) {
            relay_.handle(m);
            return true;
          } else {
            return false;
          }
        },
        message);
    if (!of_blobs) throw wire::ProtocolError("a message that only agents send");
  }
}

void Agent::welcome(const wire::Welcome& welcome) {
  liveness::Invitation invitation;
  if (lifeline_) throw wire::ProtocolError("a second invitation");
  if (welcome.token.size() != invitation.token.size()) throw wire::ProtocolError("a token of another size");
  invitation.addresses = welcome.addresses;
  invitation.port = welcome.port;
  std::copy(welcome.token.begin(), welcome.token.end(), invitation.token.begin());
  options_.settings.lost_after = std::chrono::milliseconds(welcome.lost_after_ms);
  lifeline_.emplace(transport_.rank(), invitation,
                    liveness::LifelineOptions{options_.settings.lost_after, options_.settings.interface});
  if (options_.share_lifeline) options_.share_lifeline(lifeline_->fd());
  wakeup_.emplace(transport_.rank(), liveness::WakePlace{welcome.wakeup_pid, welcome.wakeup_fd, welcome.wakeup_number,
                                                         welcome.wakeup_pid_space});
  options_.hello.wakeup_pipe = wakeup_->pipe();
  options_.hello.has_root_page = take_up_root(welcome);
  options_.hello.pid_space = base::own_pid_space();
  say(options_.hello);
}

bool Agent::take_up_root(const wire::Welcome& welcome) {
  if (welcome.host_page < 0 || welcome.wakeup_pid_space == 0) return false;
  if (welcome.wakeup_pid_space != base::own_pid_space()) return false;
  root_pid_ = welcome.wakeup_pid;
  const int page = base::open_foreign_memfd(root_pid_, welcome.host_page, channel::kRankPageName);
  const int wake = base::open_foreign_pipe(root_pid_, welcome.host_wake);
  const bool taken = page >= 0 && wake >= 0 && host_.set_root(page, wake);
  for (const int fd : {page, wake}) {
    if (fd >= 0) ::close(fd);
  }
  return taken;
}

void Agent::start(const wire::StartWorker& start) {
  if (start.origin > base::kLastOrigin) throw wire::ProtocolError("a worker of unknown origin");
  if (start.channel_fd < 0) return host_.start(start.worker, start.origin);
  const int channel = channel::Channel::open_foreign(root_pid_, start.channel_fd);
  if (channel < 0) {
    return worker_failed_to_start(start.worker, "rank 0's memory for it cannot be opened: " + base::error_text(errno));
  }
  host_.start_for_root(start.worker, channel, start.origin);
}

void Agent::tell_taken() {
  for (auto at = untold_.begin(); at != untold_.end();) {
    auto& [worker, untold] = *at;
    // Other input may wait behind it: then too little is told at first, and the rest once all is taken.
    const std::size_t all = host_.waiting(worker);
    const std::size_t waiting = std::min(all, untold);
    if (untold - waiting >= kPiece || all == 0) {
      say(wire::InputTaken{worker, untold - waiting});
      untold = waiting;
    }
    at = untold == 0 ? untold_.erase(at) : std::next(at);
  }
}

void Agent::say(const wire::Message& message) {
  wire::append(batch_, message);
  batch_is_urgent_ = true;
}

bool Agent::may_wait(Clock::time_point now) const {
  return !batch_is_urgent_ && !ending_ && batch_.size() < kSmall && !gathering_.may_send(now);
}

void Agent::send_batch() {
  if (batch_.empty()) return;
  batch_is_urgent_ = batch_waits_ = false;
  transport_.send(transport_.root(), std::exchange(batch_, detail::Bytes()));
  gathering_.sent(Clock::now(), transport_.sent_to(transport_.root()));
  if (wakeup_) wakeup_->sent(transport_.sent_to(transport_.root()));
  if (std::exchange(rank_0_asleep_, false)) lifeline_->ring();
}

bool Agent::look_at_lifeline(Clock::time_point now) {
  if (std::exchange(lifeline_is_quiet_, false)) next_look_ = now + pace::kLookAtLifelines;
  if (!lifeline_ || now < next_look_) return false;
  next_look_ = now + pace::kLookAtLifelines;
  const bool any = lifeline_->poll(events_);
  for (const auto& event : events_) handle(event);
  events_.clear();
  return any;
}

void Agent::handle(const liveness::LifelineEvent& event) {
  switch (event.kind) {
    case liveness::LifelineEvent::Kind::lost:
      base::log_info("rank 0 is lost: " + event.text);
      if (!ending_) ending_ = Ending::rank_0_lost;
      break;
    case liveness::LifelineEvent::Kind::asleep:
      if (transport_.sent_to(transport_.root()) > event.received) {
        lifeline_->ring();
      } else {
        rank_0_asleep_ = true;
      }
      break;
    case liveness::LifelineEvent::Kind::ring:
      knows_we_sleep_ = false;
      break;
    default:
      break;
  }
}

/// False if something is under way to us.
bool Agent::tell_that_we_sleep() {
  const std::uint64_t received = transport_.received_from(transport_.root());
  if (wakeup_->connected()) return wakeup_->prepare_sleep(received);
  if (!std::exchange(knows_we_sleep_, true)) lifeline_->asleep(received);
  return true;
}

void Agent::sleep() {
  const bool passing_on = relay_.active();
  const bool stuck = passing_on && relay_.stuck(Clock::now());
  const bool busy = transport_.busy() || passing_on || transport_.unsent_to(transport_.root()) >= kMaxUnsent;
  if (!lifeline_ || (busy && !stuck)) {
    // Only looking moves MPI on; the core is somebody else's meanwhile.
    if (lifeline_) {
      ::sched_yield();
    } else {
      ::poll(nullptr, 0, 1);
    }
    return;
  }
  std::array<pollfd, 5> fds{{{host_.wake_fd(), POLLIN, 0},
                             {host_.keeper_fd(), POLLIN, 0},
                             {lifeline_->fd(), POLLIN, 0},
                             {wakeup_->fd(), POLLIN, 0},
                             {alarm_.fd(), POLLIN, 0}}};
  const auto now = Clock::now();
  std::optional<Clock::time_point> until = gathering_.look_again(now);
  const auto no_later_than = [&](Clock::time_point limit) { until = std::min(until.value_or(limit), limit); };
  if (!batch_.empty()) no_later_than(gathering_.due());
  if (host_.prepare_sleep() && (until || tell_that_we_sleep())) {
    if (const auto look = host_.next_look()) no_later_than(base::roughly(*look, now));
    if (host_.has_backlog()) no_later_than(now + pace::kRoomLook);
    if (stuck) no_later_than(now + pace::kRelayLook);
    alarm_.set(until);
    lifeline_is_quiet_ = ::poll(fds.data(), fds.size(), -1) >= 0 && fds[2].revents == 0;
  }
  if (fds[4].revents != 0) alarm_.rang();
  host_.awake(fds[0].revents != 0, fds[1].revents != 0);
  if (fds[2].revents != 0) next_look_ = {};
  wakeup_->awake(fds[3].revents != 0);
}

void Agent::worker_started(WorkerId worker, pid_t pid) {
  say(wire::WorkerStarted{worker, static_cast<std::int64_t>(pid)});
}

void Agent::worker_failed_to_start(WorkerId worker, const std::string& why) {
  say(wire::WorkerFailedToStart{worker, why});
}

void Agent::worker_output(WorkerId worker, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kPiece));
    bytes = bytes.subspan(part.size());
    wire::append(batch_, wire::Output{worker, part});
    if (batch_.size() >= kPiece) send_batch();
  }
}

void Agent::worker_side_output(WorkerId worker, std::span<const std::byte> bytes) {
  say(wire::SideOutput{worker, bytes});
}

void Agent::worker_ended(WorkerId worker, const host::WorkerEnd& end) {
  untold_.erase(worker);
  say(wire::WorkerEnded{worker, static_cast<std::int64_t>(end.pid), end.wait_status, end.inside_item});
}

void Agent::keeper_lost() { ending_ = Ending::keeper_lost; }

bool say_farewell(transport::Transport& transport, const std::string& why) noexcept {
  try {
    detail::Bytes message;
    wire::append(message, wire::Farewell{why});
    transport.send(transport.root(), std::move(message));
    std::vector<transport::Incoming> ignored;
    const auto until = Clock::now() + pace::kFarewell;
    while (transport.unsent() != 0 && Clock::now() < until) {
      transport.poll(ignored);
      ignored.clear();
      ::poll(nullptr, 0, 1);
    }
    return transport.unsent() == 0;
  } catch (...) {
    return false;
  }
}

}  // namespace rankpool::agent
