#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

/// Sleeping on a word of memory until somebody wakes the sleepers: the kernel's futex.
namespace rankpool::base {

/// Who sleeps on a word and wakes: threads of this process, which costs less, or of every process that has mapped it.
enum class FutexOf { this_process, shared_memory };

/// Returns at once if the word is not `seen`; else when somebody wakes, at `until` at the latest, or without a reason.
void sleep_on(const std::atomic<std::uint32_t>& word, std::uint32_t seen,
              const std::optional<std::chrono::steady_clock::time_point>& until, FutexOf of) noexcept;
void wake_all_on(const std::atomic<std::uint32_t>& word, FutexOf of) noexcept;

}  // namespace rankpool::base
