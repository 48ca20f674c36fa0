#include "engine/remote_port.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <atomic>
#include <string>

namespace rankpool::engine {
namespace {

/// A message is sent on its own from this size on, so that its first bytes are under way while the rest is copied.
constexpr std::size_t kPiece = InputQueues::kPiece;

std::atomic<std::uint64_t> g_broadcast_bytes{0};

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
  const auto [found, is_new] = blobs_.try_emplace(id);
  if (is_new) {
    found->second.content = std::move(content);
    ++blobs_under_way_;
  }
  if (found->second.content) {
    found->second.waiting.emplace_back(worker, request);
  } else {
    wire::append(batch_, wire::BlobReady{worker, request, id});
  }
}

std::shared_ptr<channel::Leases> RemotePort::leases(WorkerId worker) {
  return is_direct(worker) ? host().leases(worker) : nullptr;
}

void RemotePort::forget_blob(std::uint64_t id) {
  const auto found = blobs_.find(id);
  if (found == blobs_.end()) return;
  if (found->second.content) --blobs_under_way_;
  blobs_.erase(found);
  wire::append(batch_, wire::ForgetBlob{id});
}

void RemotePort::forget_all_blobs() {
  for (const auto& [id, blob] : blobs_) blobs_under_way_ -= blob.content ? 1 : 0;
  blobs_.clear();
}

bool RemotePort::send_blob_piece() {
  for (auto& [id, blob] : blobs_) {
    if (!blob.content) continue;
    const auto bytes = blob.content->bytes().subspan(blob.sent);
    const auto part = bytes.first(std::min(bytes.size(), kPiece));
    wire::append(batch_, wire::BlobPart{id, blob.content->bytes().size(), part});
    blob.sent += part.size();
    g_broadcast_bytes += part.size();
    if (part.size() == bytes.size()) {
      for (const auto& [worker, request] : blob.waiting) wire::append(batch_, wire::BlobReady{worker, request, id});
      base::log_info("broadcast " + std::to_string(id) + " sent to rank " + std::to_string(raw(rank_)) + ": " +
                     std::to_string(blob.sent) + " bytes");
      blob = {};
      --blobs_under_way_;
    }
    flush();
    return true;
  }
  return false;
}

void RemotePort::flush() {
  if (!direct_.empty()) local_->flush();
  if (!batch_.empty()) send_(std::exchange(batch_, detail::Bytes()));
}

std::uint64_t RemotePort::broadcast_bytes_sent() noexcept { return g_broadcast_bytes.load(); }

}  // namespace rankpool::engine
