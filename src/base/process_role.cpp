#include "base/process_role.hpp"

#include <rankpool/run.hpp>

namespace rankpool::base {
namespace {

ProcessRole g_role = ProcessRole::program;
thread_local ProcessRole t_role = ProcessRole::program;

}  // namespace

void set_process_role(ProcessRole role) noexcept { g_role = role; }
void set_thread_role(ProcessRole role) noexcept { t_role = role; }
ProcessRole process_role() noexcept { return g_role == ProcessRole::program ? t_role : g_role; }

}  // namespace rankpool::base

namespace rankpool::inline v0_2 {

bool in_worker() noexcept { return base::process_role() == base::ProcessRole::worker; }

}  // namespace rankpool::inline v0_2
