#pragma once

#include <sys/types.h>
#include <array>
#include <csignal>
#include <cstdint>
#include <vector>

/// What the processes of a rank have of what the program had when it called `run`. The rules stand in `kInheritance`;
/// docs/processes.md prints them.
namespace rankpool::base {

/// What a signal did when `run` was called.
enum class Disposition : std::uint8_t { standard, ignored, handled };

/// In the place of their number, where they cannot be counted.
inline constexpr int kThreadsUnknown = -1;

/// What the program had when it called `run`.
struct Stock {
  std::vector<int> descriptors{0, 1, 2};    ///< open ones, in ascending order
  std::array<Disposition, NSIG> signals{};  ///< by number
  int other_threads = 0;                    ///< besides the one that called, or kThreadsUnknown
  bool standard_input_was_closed = false;   ///< when the program was started: a descriptor 0 of now is no input
  [[nodiscard]] bool had(int descriptor) const;
};

/// Whose share it is.
enum class Heir : std::uint8_t { worker, keeper, agent };

/// One column of the table. In all of them a signal that the program handles does what it does by default: a handler
/// acts on the program, which these processes are not.
struct Inheritance {
  bool ignored_stays;        ///< a signal that the program ignores is ignored here too
  bool mask_is_empty;        ///< no signal is blocked, whatever the program blocks; else those in `reads`
  bool input_is_empty;       ///< standard input is /dev/null
  bool closes_own;           ///< only what was open at `run` is open, besides what the caller names
  std::vector<int> reads;    ///< signals that it handles itself
  std::vector<int> ignores;  ///< signals that it ignores, whatever the program did
};
const Inheritance& inheritance_of(Heir heir);

/// Takes stock of this process. To be called before the first fork. Opens /dev/null as 0, 1 and 2 where these are
/// closed, so that nothing else is taken for standard output later.
Stock take_stock();

/// Gives this process the signals of its column: dispositions and mask. Signals in `reads` are left to the caller.
void give_signals(const Stock& stock, Heir heir);
/// Gives it the descriptors of its column. `own`: what it needs besides; they stay open and are closed by exec.
void give_descriptors(const Stock& stock, Heir heir, std::vector<int> own);

/// The working directory when the program was started; empty if that could not be told.
const char* directory_at_start() noexcept;

/// Threads of this process besides the caller, or kThreadsUnknown: where /proc is shut.
int count_other_threads();

}  // namespace rankpool::base
