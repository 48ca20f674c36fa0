#include "base/forked_copy.hpp"

#include <pthread.h>

namespace rankpool::base {
namespace {

bool g_copy = false;  // written where there is one thread only: right after a fork

}  // namespace

void watch_for_copies() noexcept {
  static const int watched = ::pthread_atfork(nullptr, nullptr, [] { g_copy = true; });
  (void)watched;
}

bool is_forked_copy() noexcept { return g_copy; }

std::string copy_complaint(const std::string& what) {
  return what +
         " cannot be used in a process that was forked from a rankpool program or task: only the original has "
         "workers. Use it in the original, or run another program (exec)";
}

}  // namespace rankpool::base
