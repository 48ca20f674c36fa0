#pragma once

namespace rankpool::base {

/// What this process is in the job. `run` decides it once, before user code can look.
enum class ProcessRole { program, worker };

void set_process_role(ProcessRole role) noexcept;
/// For the calling thread alone.
void set_thread_role(ProcessRole role) noexcept;
[[nodiscard]] ProcessRole process_role() noexcept;

}  // namespace rankpool::base
