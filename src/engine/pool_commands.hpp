#pragma once

#include "engine/mailbox.hpp"

/// Commands that change whether a pool takes work. They hold the mailbox's lock meanwhile, so each has an order with
/// all submissions. Thread-safe.
namespace rankpool::engine::pool {

/// Throws ShutdownError or BrokenProcessPool if the pool takes no work. Call it while the mailbox is locked.
void check_intake(PoolState& state);
void close(Mailbox& mailbox, PoolState& state, bool cancel_pending);
void stop(Mailbox& mailbox, PoolState& state, int signal);

}  // namespace rankpool::engine::pool
