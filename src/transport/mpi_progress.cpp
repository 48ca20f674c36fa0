#include "transport/mpi_progress.hpp"

#include <dlfcn.h>

namespace rankpool::transport {
namespace {

/// Gives back how it was. MPI's tools interface cannot change it once MPI is initialised.
bool set_yield_when_idle(bool yield) noexcept {
  using Set = bool (*)(bool);
  static const auto set = reinterpret_cast<Set>(::dlsym(RTLD_DEFAULT, "opal_progress_set_yield_when_idle"));
  return set != nullptr && set(yield);
}

}  // namespace

NoYieldInMpi::NoYieldInMpi() noexcept : before_(set_yield_when_idle(false)) {}
NoYieldInMpi::~NoYieldInMpi() { set_yield_when_idle(before_); }

}  // namespace rankpool::transport
