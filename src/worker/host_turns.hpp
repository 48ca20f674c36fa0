#pragma once

namespace rankpool::worker {

/// How a worker without a process of its own lets its host do its part, instead of waking it and sleeping: they may be
/// one thread. Called by the worker's own thread, `look` by others too.
class HostTurns {
 public:
  HostTurns() = default;
  HostTurns(const HostTurns&) = delete;
  HostTurns& operator=(const HostTurns&) = delete;
  virtual ~HostTurns() = default;
  /// There is something for the host.
  virtual void look() noexcept = 0;
  /// The worker has nothing to do. Returns after a while, be there something or not.
  /// @throws HostGone if there will never be
  virtual void wait() = 0;
};

/// The worker was killed, or nobody is left whom it could serve.
struct HostGone {};

}  // namespace rankpool::worker
