#include <rankpool/detail/stand_in.hpp>

#include "base/forked_copy.hpp"
#include "client/job.hpp"

namespace rankpool::inline v0_2::detail {
namespace {

/// This thread sees by itself that what it waits for has come true.
thread_local bool t_stands_in = false;

class Reached final : public engine::StandIn::Goal {
 public:
  Reached(bool (*is)(const void*), const void* what, WaitsFor waits_for)
      : is_(is), what_(what), waits_for_(waits_for) {}
  bool reached() override { return is_(what_); }
  [[nodiscard]] bool gives_way() const override { return waits_for_ == WaitsFor::callbacks; }

 private:
  bool (*is_)(const void*);
  const void* what_;
  WaitsFor waits_for_;
};

}  // namespace

void stand_in_until(bool (*reached)(const void* what), const void* what,
                    const std::optional<Timeout::Clock::time_point>& deadline, WaitsFor waits_for) noexcept {
  // A callback that runs within is not to begin another.
  if (t_stands_in) return;
  const auto job = client::Job::current();
  if (!job) return;
  Reached goal(reached, what, waits_for);
  t_stands_in = true;
  job->engine().mailbox().stand_in_until(goal, deadline);
  t_stands_in = false;
}

void end_stand_in() noexcept {
  if (t_stands_in) return;
  if (const auto job = client::Job::current()) job->engine().mailbox().wake();
}

}  // namespace rankpool::inline v0_2::detail
