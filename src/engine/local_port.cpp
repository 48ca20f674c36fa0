#include "engine/local_port.hpp"

#include <memory>
#include <utility>

namespace rankpool::engine {

void LocalPort::write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
                      const detail::Ref<detail::ResultReceiver>& keep_alive) {
  // Below this a copy costs less than counting a reference.
  constexpr std::size_t worth_sharing = 64 * 1024;
  host_.write(worker, header);
  for (const auto& part : body) {
    if (part.size() >= worth_sharing && keep_alive) {
      host_.write(worker, part, std::make_shared<detail::Ref<detail::ResultReceiver>>(keep_alive));
    } else if (!part.empty()) {
      host_.write(worker, part);
    }
  }
  if (written_.empty() || written_.back() != worker) written_.push_back(worker);
}

void LocalPort::flush() {
  for (const WorkerId worker : written_) wakeups_.push_back(host_.show(worker));
  written_.clear();
  if (leave_wakeups_) return;
  channel::ring(wakeups_);
  wakeups_.clear();
}

std::vector<channel::FutexWake> LocalPort::take_wakeups() {
  leave_wakeups_ = false;
  return std::exchange(wakeups_, {});
}

}  // namespace rankpool::engine
