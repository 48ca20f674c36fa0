#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/exception_trace.hpp>
#include <rankpool/errors.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// Why items ended without an outcome of their own. One record may end many items; each makes its own exception of it.
struct Failure {
  enum class Kind : std::uint8_t {
    broken,             ///< BrokenProcessPool
    terminated_worker,  ///< TerminatedWorkerError
    task_timeout,       ///< TaskTimeoutError
    shut_down,          ///< ShutdownError
    serialization,      ///< SerializationError
    error,              ///< Error
  };
  Kind kind = Kind::broken;
  std::string text;
  std::vector<Loss> causes;

  /// A new exception object of the type that `kind` names. `map` is the map that it ended an item of, if it did; `note`
  /// stands behind its text.
  [[nodiscard]] std::exception_ptr exception(const MapTallyPtr& map = {}, const std::string& note = {}) const;
};
using FailurePtr = std::shared_ptr<const Failure>;

/// Runs of bytes that make up one message, in order.
using Gather = std::vector<std::span<const std::byte>>;

/// Where the outcomes of one piece of work go: the shared state of a future, or of the results of a map.
///
/// Reference-counted. All virtual members are called by the engine thread only, or by one that stands in for it while
/// it sleeps, and must neither block nor throw. An item ends exactly once: by one of `values`, `value`, `error`,
/// `fail`, `cancelled`, or because its owner ended it (a cancelled future, an argument that could not be encoded),
/// after which later outcomes for it are ignored.
class ResultReceiver {
 public:
  ResultReceiver() = default;
  ResultReceiver(const ResultReceiver&) = delete;
  ResultReceiver& operator=(const ResultReceiver&) = delete;

  /// The items are about to be handed to a worker. False if a single item was cancelled by its owner in the meantime:
  /// it is then not handed out. Called again for an item that is handed out again.
  virtual bool begin(std::uint64_t first, std::uint32_t count) noexcept = 0;
  /// Appends the chunk's content: the code reference and the encoded callable first, then the encoded items. The bytes
  /// stay valid until the last of these items has ended. Returns the length of the first part.
  virtual std::size_t gather(std::uint64_t first, std::uint32_t count, Gather& to) = 0;

  /// Results of fixed size, `bytes.size() / count` each, copied out of `bytes` before this returns.
  virtual void values(std::uint64_t first, std::uint32_t count, std::span<const std::byte> bytes) noexcept = 0;
  /// One encoded result.
  virtual void value(std::uint64_t index, Bytes encoded) noexcept = 0;
  /// One encoded exception (detail/exception_codec.hpp).
  virtual void error(std::uint64_t index, Bytes encoded) noexcept = 0;
  /// Items that their owner had ended before they were handed out: their bytes are needed no more.
  virtual void skipped(std::uint64_t /*first*/, std::uint64_t /*count*/) noexcept {}
  /// A `first + count` of UINT64_MAX means whatever may still be appended, too; so with `cancelled`.
  virtual void fail(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept = 0;
  virtual void cancelled(std::uint64_t first, std::uint64_t count) noexcept = 0;

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  /// True if the caller's reference is the only one: nobody else can come to have one then.
  [[nodiscard]] bool held_once() const noexcept { return references_.load(std::memory_order_acquire) == 1; }
  void drop_reference() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  virtual ~ResultReceiver() = default;

 private:
  std::atomic<std::uint32_t> references_{0};
};

/// A counted reference to a ResultReceiver or to a class derived from it.
template <class S>
class Ref {
 public:
  Ref() noexcept = default;
  explicit Ref(S* to) noexcept : to_(to) {
    if (to_ != nullptr) to_->add_reference();
  }
  template <class T>
  requires std::is_convertible_v<T*, S*> Ref(const Ref<T>& other)
  noexcept : Ref(other.get()) {}  // NOLINT(google-explicit-constructor)
  Ref(const Ref& other) noexcept : Ref(other.to_) {}
  Ref(Ref&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~Ref() {
    if (to_ != nullptr) to_->drop_reference();
  }
  [[nodiscard]] S* get() const noexcept { return to_; }
  S* operator->() const noexcept { return to_; }
  S& operator*() const noexcept { return *to_; }
  explicit operator bool() const noexcept { return to_ != nullptr; }
  friend bool operator==(const Ref&, const Ref&) = default;

 private:
  S* to_ = nullptr;
};

/// What the owner of a submitted piece of work may still say about it. Thread-safe; never blocks; harmless after the
/// work or its pool has ended.
class WorkControl {
 public:
  virtual ~WorkControl() = default;
  /// `more` items have been appended (only for work that was submitted open).
  virtual void extend(std::uint64_t more) = 0;
  /// No items will be appended any more.
  virtual void seal() = 0;
  /// Cancel what has not begun. Each such item ends by `ResultReceiver::cancelled`.
  virtual void cancel() = 0;
  /// The owner has all outcomes: returns when the last line about its progress is written, if there is any.
  virtual void await_last_line() {}
};

}  // namespace rankpool::inline v0_2::detail
