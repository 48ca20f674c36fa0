#include "worker/worker_rings.hpp"

#include "base/pace.hpp"

#include <unistd.h>
#include <utility>

namespace rankpool::worker {
WorkerRings::WorkerRings(channel::Channel channel, channel::RankPage* page, int wake)
    : channel_(std::move(channel)),
      page_(page),
      wake_(wake),
      stretch_(channel::Channel::stretch()),
      spin_(channel::Channel::on_one_core() ? std::chrono::microseconds(0) : pace::kWorkerSpin) {}

detail::Bytes WorkerRings::gather(std::size_t size) {
  detail::Bytes bytes;
  bytes.reserve_more(size);
  while (bytes.size() < size) {
    const auto part = await_stretch(size - bytes.size());
    bytes.append(part.data(), part.size());
    take_input(part.size());
  }
  return bytes;
}

/// Of those who find it asleep, one rings.
void WorkerRings::ring_host() {
  if (page_->host_sleeping.exchange(0, std::memory_order_seq_cst) == 0) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto rung = ::write(wake_, &one, sizeof one);
}

}  // namespace rankpool::worker
