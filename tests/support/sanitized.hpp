#pragma once

/// Sanitizers keep what was freed, so that memory cannot be measured with them; they end a process that has no memory, and run threads
/// of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
