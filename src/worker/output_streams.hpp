#pragma once

namespace rankpool::worker {

/// Hands on what the C library holds back of standard output.
void flush_c_output() noexcept;
/// The same, and what cout, clog, wcout and wclog hold back, which is nothing unless they are not synchronised with
/// the C library.
void flush_output();

}  // namespace rankpool::worker
