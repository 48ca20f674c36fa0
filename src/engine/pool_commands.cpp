#include "engine/pool_commands.hpp"

#include <rankpool/errors.hpp>

#include <algorithm>

namespace rankpool::engine::pool {

void check_intake(PoolState& state) {
  if (state.intake != Intake::open) {
    throw ShutdownError(state.facade == detail::Facade::executor ? "cannot schedule new futures after shutdown"
                                                                 : "Pool not running");
  }
  if (const auto broken = state.why_broken()) std::rethrow_exception(broken->exception());
}

void close(Mailbox& mailbox, PoolState& state, bool cancel_pending) {
  mailbox.post_locked([&]() -> Command {
    state.intake = std::max(state.intake, Intake::closed);
    return ClosePool{state.id, cancel_pending};
  });
}

void stop(Mailbox& mailbox, PoolState& state, int signal) {
  mailbox.post_locked([&]() -> Command {
    state.intake = Intake::stopped;
    return StopPool{state.id, signal};
  });
}

}  // namespace rankpool::engine::pool
