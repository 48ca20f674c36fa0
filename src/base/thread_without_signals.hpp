#pragma once

#include <pthread.h>
#include <csignal>
#include <thread>
#include <utility>

namespace rankpool::base {

/// A thread of the library that takes no signals: they are the business of the user's threads. Throws std::system_error
/// if it cannot be started.
template <class Run>
std::thread thread_without_signals(Run&& run) {
  // The new thread inherits the mask of the one that starts it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread started(std::forward<Run>(run));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
}

}  // namespace rankpool::base
