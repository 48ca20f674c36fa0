#pragma once

namespace rankpool::engine {

class Engine;

/// Signals that ask rank 0's program to stop: SIGINT, SIGTERM, SIGUSR1.
///
///     not watched, bare       nothing is touched: the signal does what it always does
///     not watched, launched   SIGTERM, SIGINT: pending futures break, and a moment later the signal does what it does;
///                             the moment is what launchers leave between SIGTERM and SIGKILL
///     watched                 the first one sets `requested` here and in all workers, and closes the executors that
///                             want it; a second one does what it always does
///
/// A handler that the program has installed itself, or a signal that it ignores, is left alone.
namespace stop_signals {

/// From now on `engine` is told. `launched`: a launcher stands above that sends SIGKILL soon.
void attach(Engine& engine, bool launched);
/// Before the engine goes.
void detach();
/// The program will see to it: it has asked, or has an executor that does. Thread-safe.
void watch();
/// Thread-safe.
[[nodiscard]] bool requested() noexcept;

}  // namespace stop_signals
}  // namespace rankpool::engine
