#pragma once

#include "channel/blob.hpp"
#include "engine/blob_routes.hpp"
#include "engine/input_queues.hpp"
#include "engine/local_port.hpp"
#include "engine/rank_port.hpp"
#include "wire/messages.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

namespace rankpool::engine {

/// The way to the workers of another rank: messages are gathered until `flush`. Where that rank is of this node, its
/// workers' channels are here, and only starts, signals and ends pass through it. Engine thread.
class RemotePort final : public RankPort {
 public:
  using Send = std::function<void(detail::Bytes message)>;

  /// `local`: the way to this rank's own workers, which those go by whose channels are here; may be null.
  /// `blobs`: how broadcasts come to it.
  RemotePort(Rank rank, Send send, RankListener& listener, LocalPort* local, BlobRoutes& blobs)
      : rank_(rank), send_(std::move(send)), listener_(listener), local_(local), blobs_(blobs) {}

  /// The workers that are started from now on have their channels here.
  void use_own_channels() { own_channels_ = true; }

  // RankPort
  [[nodiscard]] bool is_direct(WorkerId worker) const override { return direct_.contains(raw(worker)); }
  void start(WorkerId worker, base::WorkerOrigin origin) override;
  void kill(WorkerId worker, int signal) override;
  void write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
             const detail::Ref<detail::ResultReceiver>& keep_alive) override;
  void write_side(WorkerId worker, std::span<const std::byte> bytes) override;
  void give_blob(WorkerId worker, std::uint64_t request, std::uint64_t id,
                 std::shared_ptr<const channel::Blob> content) override;
  [[nodiscard]] std::shared_ptr<channel::Leases> leases(WorkerId worker) override;
  void forget_blob(std::uint64_t id) override { blobs_.forgotten(id); }
  void flush() override;

  // What the rank tells of its workers.
  void started(const wire::WorkerStarted& started);
  void failed_to_start(const wire::WorkerFailedToStart& failed);
  void ended(const wire::WorkerEnded& ended);
  /// The worker has taken so much of its large input.
  void taken(WorkerId worker, std::uint64_t size);

  /// Gathers a message until `flush`.
  void say(const wire::Message& message) { wire::append(batch_, message); }
  void forget_all_input() { queues_.clear(); }
  /// The rank is lost, and its workers with it: what those whose channels are here had finished is given out.
  void lose_direct();

 private:
  [[nodiscard]] host::WorkerHost& host() const { return local_->host(); }
  void push_copy(WorkerId worker, std::span<const std::byte> bytes);
  void pump(WorkerId worker);

  const Rank rank_;
  const Send send_;
  RankListener& listener_;
  LocalPort* const local_;
  BlobRoutes& blobs_;
  detail::Bytes batch_;
  InputQueues queues_;
  bool own_channels_ = false;
  std::unordered_set<std::uint32_t> direct_;  ///< workers whose channels are here
};

}  // namespace rankpool::engine
