#include "worker/worker_endpoint.hpp"

#include "base/log.hpp"
#include "base/pace.hpp"

#include <unistd.h>
#include <utility>

namespace rankpool::worker {
namespace {

/// The exit code of a worker that can ring its host no more.
constexpr int kLostDescriptor = 71;

}  // namespace

WorkerEndpoint::WorkerEndpoint(channel::Channel channel, channel::RankPage* page, int wake, HostTurns* turns)
    : channel_(std::move(channel)),
      page_(page),
      wake_(wake),
      turns_(turns),
      wake_identity_(wake),
      stretch_(channel::Channel::stretch()),
      spin_(channel::Channel::on_one_core() ? std::chrono::microseconds(0) : pace::kWorkerSpin) {
  channel_.close_descriptor();  // one less that a task may close
}

detail::Bytes WorkerEndpoint::gather(std::size_t size) {
  detail::Bytes bytes;
  bytes.reserve_more(size);
  while (bytes.size() < size) {
    const auto part = await_stretch(size - bytes.size());
    bytes.append(part.data(), part.size());
    take_input(part.size());
  }
  return bytes;
}

void WorkerEndpoint::ring_host() {
  if (!page_->wake_or_ring()) return;
  // The task may have closed it, and have opened a file under its number.
  if (!wake_identity_.is(wake_)) {
    base::log_error(
        "a task has closed a descriptor of the library's, as who closes all from 3 up does: this worker ends");
    ::_exit(kLostDescriptor);
  }
  const char one = 1;
  [[maybe_unused]] const auto rung = ::write(wake_, &one, 1);
}

}  // namespace rankpool::worker
