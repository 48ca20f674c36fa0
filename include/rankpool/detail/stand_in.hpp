#pragma once

#include <rankpool/timeout.hpp>

#include <optional>

namespace rankpool::inline v0_2::detail {

enum class WaitsFor {
  results,
  callbacks,  ///< leaves it to a thread that waits for results
};

/// For threads that wait: while the engine sleeps this one does its work, until `reached(what)` or the deadline. It may
/// return at once or before its time; the caller then waits as it can. `reached` must not block.
void stand_in_until(bool (*reached)(const void* what), const void* what,
                    const std::optional<Timeout::Clock::time_point>& deadline, WaitsFor waits_for) noexcept;
template <class Reached>
void stand_in_until(const Reached& reached, const std::optional<Timeout::Clock::time_point>& deadline,
                    WaitsFor waits_for = WaitsFor::results) noexcept {
  stand_in_until([](const void* is) { return (*static_cast<const Reached*>(is))(); }, &reached, deadline, waits_for);
}
/// What a thread in `stand_in_until` waits for has come true. Called by whoever makes it so; any thread.
void end_stand_in() noexcept;

}  // namespace rankpool::inline v0_2::detail
