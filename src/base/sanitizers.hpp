#pragma once

/// What this is built with: GCC and Clang tell it in different ways.
#if defined(__SANITIZE_THREAD__)
#define RANKPOOL_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RANKPOOL_THREAD_SANITIZER 1
#endif
#endif

namespace rankpool::base {

/// A sanitizer of threads runs one of its own in each process.
#if defined(RANKPOOL_THREAD_SANITIZER)
inline constexpr int kThreadsOfTools = 1;
#else
inline constexpr int kThreadsOfTools = 0;
#endif

}  // namespace rankpool::base
