#include "engine/local_port.hpp"

#include <memory>

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
  for (const WorkerId worker : written_) {
    const channel::FutexWake wakeup = host_.show(worker);
    if (wakeup_ != nullptr) {
      *wakeup_ = wakeup;
    } else {
      wakeup.ring();
    }
  }
  written_.clear();
}

}  // namespace rankpool::engine
