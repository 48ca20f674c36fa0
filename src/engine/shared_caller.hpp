#pragma once

#include "wire/shared.hpp"

#include <rankpool/detail/bytes.hpp>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace rankpool::engine {

/// A thread of rank 0 that asks the shared state and waits for the reply, which always comes: the engine gives it, or
/// ends.
class SharedCaller {
 public:
  explicit SharedCaller(detail::Bytes request) : request_(std::move(request)) {}

  detail::Bytes wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reply_.has_value(); });
    return std::move(*reply_);
  }

  // -- engine thread
  [[nodiscard]] std::span<const std::byte> request() const noexcept { return request_; }
  void answer(detail::Bytes reply) {
    const std::lock_guard lock(mutex_);
    reply_ = std::move(reply);
    changed_.notify_one();
  }
  void fail(const std::string& why) {
    answer(wire::shared_reply(wire::SharedStatus::error, std::as_bytes(std::span(why))));
  }

 private:
  const detail::Bytes request_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<detail::Bytes> reply_;  // guarded by mutex_
};

}  // namespace rankpool::engine
