#include "wire/shared_access.hpp"

namespace rankpool::wire {
namespace {

SharedAccess* g_of_worker = nullptr;

}  // namespace

SharedAccess* SharedAccess::of_worker() noexcept { return g_of_worker; }
void SharedAccess::install(SharedAccess* of_worker) noexcept { g_of_worker = of_worker; }

}  // namespace rankpool::wire
