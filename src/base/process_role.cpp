#include "base/process_role.hpp"

#include <rankpool/run.hpp>

namespace rankpool {
namespace base {
namespace {

ProcessRole g_role = ProcessRole::program;

}  // namespace

void set_process_role(ProcessRole role) noexcept { g_role = role; }
ProcessRole process_role() noexcept { return g_role; }

}  // namespace base

bool in_worker() noexcept { return base::process_role() == base::ProcessRole::worker; }

}  // namespace rankpool
