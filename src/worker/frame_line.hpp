#pragma once

#include "wire/frames.hpp"
#include "worker/worker_endpoint.hpp"

#include <rankpool/detail/bytes.hpp>

#include <cstddef>
#include <mutex>
#include <span>

namespace rankpool::worker {

/// Frames to and from the engine, for a process that serves no tasks.
class FrameLine {
 public:
  explicit FrameLine(WorkerEndpoint& rings) : rings_(rings) {}
  FrameLine(const FrameLine&) = delete;
  FrameLine& operator=(const FrameLine&) = delete;

  struct Frame {
    wire::FrameHeader header;
    detail::Bytes payload;
  };
  /// Waits for the next one. The main thread.
  Frame receive();
  /// Any thread.
  void send(const wire::FrameHeader& header, std::span<const std::byte> payload);

 private:
  void write(std::span<const std::byte> bytes);

  WorkerEndpoint& rings_;
  std::mutex sending_;  ///< the output of the rings
};

}  // namespace rankpool::worker
