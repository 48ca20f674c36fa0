#pragma once

#include <sys/types.h>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace rankpool::inline v0_2 {

/// Base of every error of the library's own.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The future was cancelled. Python: `concurrent.futures.CancelledError`.
class CancelledError : public Error {
 public:
  using Error::Error;
  CancelledError() : Error("the task was cancelled") {}
};

/// A wait ended before what it waited for. Python: `TimeoutError`.
class TimeoutError : public Error {
 public:
  using Error::Error;
  TimeoutError() : Error("timed out") {}
};

/// The call does not fit the state of the object. Python: `concurrent.futures.InvalidStateError`.
class InvalidStateError : public Error {
 public:
  using Error::Error;
};

/// The executor or pool takes no work any more. Python: `RuntimeError("cannot schedule new futures after shutdown")`,
/// `ValueError("Pool not running")`.
class ShutdownError : public Error {
 public:
  using Error::Error;
};

/// A value could not be encoded or decoded.
class SerializationError : public Error {
 public:
  using Error::Error;
};

/// The task ran past `task_timeout`; its worker was killed and replaced.
class TaskTimeoutError : public Error {
 public:
  using Error::Error;
};

/// What was lost: a worker process, or a whole rank.
struct Loss {
  int worker = -1;               ///< number of the worker, or -1: a whole rank
  int rank = -1;                 ///< MPI rank it belonged to
  std::string host;              ///< name of the node
  pid_t pid = 0;                 ///< process id on that node; 0 if unknown
  std::optional<int> exit_code;  ///< if it exited
  std::string signal;            ///< name of the signal that ended it, "SIGSEGV", or empty
  std::string text;              ///< all of it in one line

  bool operator==(const Loss&) const = default;
};

/// The executor cannot run tasks any more. Python: `concurrent.futures.BrokenExecutor`.
class BrokenExecutor : public Error {
 public:
  using Error::Error;
};

/// A worker process or a rank was lost, or an initializer failed, while the future was pending or running.
/// Python: `concurrent.futures.process.BrokenProcessPool`.
class BrokenProcessPool : public BrokenExecutor {
 public:
  explicit BrokenProcessPool(const std::string& what, std::vector<Loss> causes = {})
      : BrokenExecutor(what), causes_(std::move(causes)) {}
  /// What was lost, in the order in which it was noticed; empty if nothing was (an initializer that failed).
  [[nodiscard]] const std::vector<Loss>& causes() const noexcept { return causes_; }

 private:
  std::vector<Loss> causes_;
};

/// This very task was running on the worker that was lost.
class TerminatedWorkerError : public BrokenProcessPool {
 public:
  using BrokenProcessPool::BrokenProcessPool;
};

/// The task threw something that cannot be made again here: a type that is not registered
/// (RANKPOOL_REGISTER_EXCEPTION), one whose loading failed, or no class at all. `what()` has the type, the text or
/// value, and the texts of the exceptions nested in it.
class RemoteError : public Error {
 public:
  explicit RemoteError(const std::string& what) : Error(what) {}
  RemoteError(std::string type_name, const std::string& what) : Error(what), type_name_(std::move(type_name)) {}
  /// The type as C++ writes it, "int" or "app::ParseError"; empty if it is unknown.
  [[nodiscard]] const std::string& type_name() const noexcept { return type_name_; }

 private:
  std::string type_name_;
};

/// Where a task threw the exception, in one line: worker, rank, host, pid and task, then its type, its text and those
/// of the exceptions nested in it. No stack: it is gone when the exception is caught. Empty for what was not thrown by
/// a task, and for copies: catch by reference. Thread-safe. Python: the `__cause__` that `_RemoteTraceback` is.
std::string remote_traceback(const std::exception_ptr& error);
std::string remote_traceback(const std::exception& error);

}  // namespace rankpool::inline v0_2
