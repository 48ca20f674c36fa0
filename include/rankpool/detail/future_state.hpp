#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/future_outcome.hpp>
#include <rankpool/detail/type_name.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// What stands behind a Future<T>; void is kept as std::monostate. Holds the encoded task until it has ended, then the
/// outcome, which is decoded when somebody asks for it.
///
/// Decoding runs the user's code, which may wait for other threads, so no lock is held meanwhile: threads that ask at
/// the same time each decode, and what the first has made is the value for all.
template <class R>
class FutureState final : public FutureOutcome {
 public:
  FutureState() = default;
  FutureState(const FutureState&) = delete;
  FutureState& operator=(const FutureState&) = delete;
  ~FutureState() override { delete decoded_.load(std::memory_order_relaxed); }

  /// Ends it with a value of this process. Throws InvalidStateError if it has ended.
  void set_value(R value) {
    auto decoded = std::make_unique<Decoded>(std::make_unique<R>(std::move(value)), nullptr);
    claim_or_throw();
    decoded_.store(decoded.release(), std::memory_order_release);
    drop_input();
    finish(State::finished, false);
  }

  std::exception_ptr stored_exception() override { return decoded().error; }
  /// The value; throws the exception that there is instead. It must be finished.
  const R& stored_value() { return own_value(); }
  R copy_value() {
    if constexpr (can_be_copied<R>()) {
      return std::as_const(own_value());
    } else {
      throw InvalidStateError("a value that cannot be copied");  // the compiler has refused it
    }
  }
  /// The same for the last who asks: the value itself if nobody else holds the future.
  R take_value() {
    if constexpr (can_be_copied<R>()) {
      if (!held_once()) return copy_value();
    }
    return std::move(own_value());
  }
  std::string value_type_name() const override { return type_name(typeid(R)); }

 private:
  /// What the outcome became: a value, or else an exception.
  struct Decoded {
    std::unique_ptr<R> value;
    std::exception_ptr error;
  };

  R& own_value() {
    auto& own = decoded();
    if (own.error) std::rethrow_exception(own.error);
    return *own.value;
  }
  Decoded& decoded() {
    // Who has been counted sees either what was decoded or an outcome that stays until it is counted out.
    readers_.fetch_add(1);
    if (decoded_.load() == nullptr) {
      try {
        auto made = std::make_unique<Decoded>(decode_outcome());
        Decoded* none = nullptr;
        if (decoded_.compare_exchange_strong(none, made.get())) (void)made.release();
      } catch (...) {  // no memory: the next who asks tries again
        readers_.fetch_sub(1);
        throw;
      }
    }
    if (readers_.fetch_sub(1) == 1 && !outcome_dropped_.exchange(true)) drop_outcome();
    return *decoded_.load();
  }
  Decoded decode_outcome() const {
    const Bytes* const encoded = encoded_value();
    if (encoded == nullptr) return {nullptr, exception_of_outcome()};
    try {
      return {std::make_unique<R>(decode_or_explain<R>(*encoded, "the result")), nullptr};
    } catch (...) {
      return {nullptr, std::current_exception()};
    }
  }

  std::atomic<Decoded*> decoded_{nullptr};
  std::atomic<std::uint32_t> readers_{0};  ///< who may be looking at the outcome after the end
  std::atomic<bool> outcome_dropped_{false};
};

}  // namespace rankpool::inline v0_2::detail
