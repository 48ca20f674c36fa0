#include "engine/remote_port.hpp"

#include <algorithm>

namespace rankpool::engine {
namespace {

/// A message is sent on its own from this size on, so that its first bytes are under way while the rest is copied.
constexpr std::size_t kPiece = InputQueues::kPiece;

}  // namespace

void RemotePort::start(WorkerId worker, base::WorkerOrigin origin) {
  wire::StartWorker message{worker, origin};
  if (own_channels_) {
    if (const auto channel = host().open_for_neighbour(worker)) {
      message.channel_fd = *channel;
      direct_.insert(raw(worker));
    }
  }
  wire::append(batch_, message);
}

void RemotePort::kill(WorkerId worker, int signal) {
  is_direct(worker) ? host().forget_input(worker) : queues_.drop(worker);
  wire::append(batch_, wire::KillWorker{worker, signal});
}

void RemotePort::write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
                       const detail::Ref<detail::ResultReceiver>& keep_alive) {
  if (is_direct(worker)) return local_->write(worker, header, body, keep_alive);
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

void RemotePort::push_copy(WorkerId worker, std::span<const std::byte> bytes) {
  auto copy = std::make_shared<detail::Bytes>(bytes);
  const auto view = copy->view();
  queues_.push(worker, view, std::move(copy));
}

void RemotePort::pump(WorkerId worker) {
  queues_.pump(worker, [&](std::span<const std::byte> piece) {
    wire::append(batch_, wire::LargeInput{worker, piece});
    if (batch_.size() >= kPiece) flush();
  });
}

void RemotePort::taken(WorkerId worker, std::uint64_t size) {
  if (!queues_.taken(worker, size)) throw wire::ProtocolError("input taken that was not sent");
  pump(worker);
}

void RemotePort::started(const wire::WorkerStarted& started) {
  if (is_direct(started.worker)) host().neighbour_started(started.worker);
  listener_.worker_started(started.worker, static_cast<pid_t>(started.pid));
}

void RemotePort::failed_to_start(const wire::WorkerFailedToStart& failed) {
  queues_.drop(failed.worker);
  if (direct_.erase(raw(failed.worker)) != 0) host().neighbour_lost(failed.worker, listener_);
  listener_.worker_failed_to_start(failed.worker, failed.why);
}

void RemotePort::ended(const wire::WorkerEnded& ended) {
  queues_.drop(ended.worker);
  const auto pid = static_cast<pid_t>(ended.pid);
  if (direct_.erase(raw(ended.worker)) != 0) {
    host().neighbour_ended(ended.worker, pid, ended.wait_status, listener_);
  } else {
    listener_.worker_ended(ended.worker, {pid, ended.wait_status, ended.inside_item});
  }
}

void RemotePort::lose_direct() {
  for (const std::uint32_t worker : std::exchange(direct_, {})) host().neighbour_lost(WorkerId{worker}, listener_);
}

void RemotePort::write_side(WorkerId worker, std::span<const std::byte> bytes) {
  if (is_direct(worker)) return local_->write_side(worker, bytes);
  wire::append(batch_, wire::SideInput{worker, bytes});
}

void RemotePort::give_blob(WorkerId worker, std::uint64_t request, std::uint64_t id,
                           std::shared_ptr<const channel::Blob> content) {
  if (is_direct(worker)) return local_->give_blob(worker, request, id, std::move(content));
  blobs_.asked(rank_, worker, request, id, content);
}

std::shared_ptr<channel::Leases> RemotePort::leases(WorkerId worker) {
  return is_direct(worker) ? host().leases(worker) : nullptr;
}

void RemotePort::flush() {
  if (!direct_.empty()) local_->flush();
  if (!batch_.empty()) send_(std::exchange(batch_, detail::Bytes()));
}

}  // namespace rankpool::engine
