#pragma once

/// Sanitizers keep what was freed, so that memory cannot be measured with them; they end a process that has no memory, and run threads
/// of their own. GCC and Clang tell in different ways that they are there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RANKPOOL_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RANKPOOL_TEST_SANITIZED 1
#endif
#endif

#if defined(RANKPOOL_TEST_SANITIZED)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
