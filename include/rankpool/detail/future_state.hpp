#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/future_base.hpp>
#include <rankpool/detail/keep_alives.hpp>
#include <rankpool/detail/type_name.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

namespace rankpool::inline v0_2::detail {

/// What stands behind a Future<T>; void is kept as std::monostate. Holds the encoded task until it has ended, then the
/// outcome, which is decoded when somebody asks for it.
///
/// Decoding runs the user's code, which may wait for other threads, so no lock is held meanwhile: threads that ask at
/// the same time each decode, and what the first has made is the value for all.
template <class R>
class FutureState final : public FutureBase {
 public:
  FutureState() = default;
  FutureState(const FutureState&) = delete;
  FutureState& operator=(const FutureState&) = delete;
  ~FutureState() override { delete decoded_.load(std::memory_order_relaxed); }

  /// The task: `head` bytes of code reference and callable, then the item; and what its handles keep alive.
  void set_input(Bytes input, std::size_t head, KeepAlives keep_alives) noexcept {
    keep_alives_ = std::move(keep_alives);
    input_ = std::move(input);
    input_.shrink_to_fit();
    head_ = head;
  }

  // ResultReceiver
  bool begin(std::uint64_t, std::uint32_t) noexcept override { return begin_running(); }
  std::size_t gather(std::uint64_t, std::uint32_t, Gather& to) override {
    to.push_back(input_.view().first(head_));
    to.push_back(input_.view().subspan(head_));
    return head_;
  }
  void values(std::uint64_t, std::uint32_t, std::span<const std::byte> bytes) noexcept override {
    end_with([&] { outcome_.template emplace<Bytes>(bytes); });
  }
  void value(std::uint64_t, Bytes encoded) noexcept override {
    end_with([&] { outcome_.template emplace<Bytes>(std::move(encoded)); });
  }
  void error(std::uint64_t, Bytes encoded) noexcept override {
    end_with([&] { outcome_.template emplace<RemoteFailure>(RemoteFailure{std::move(encoded)}); });
  }
  void fail(std::uint64_t, std::uint64_t, const FailurePtr& why) noexcept override {
    end_with([&] { outcome_.template emplace<FailurePtr>(why); });
  }
  void cancelled(std::uint64_t, std::uint64_t) noexcept override {
    if (!claim()) return;
    drop_input();
    finish(State::cancelled, false);
  }

  /// Ends it with a value or exception of this process. Throws InvalidStateError if it has ended.
  void set_value(R value) {
    auto decoded = std::make_unique<Decoded>(std::make_unique<R>(std::move(value)), nullptr);
    if (!claim()) throw InvalidStateError("the future is " + describe() + " already");
    decoded_.store(decoded.release(), std::memory_order_release);
    drop_input();
    finish(State::finished, false);
  }
  void set_exception(std::exception_ptr error) {
    auto decoded = std::make_unique<Decoded>(nullptr, std::move(error));
    if (!claim()) throw InvalidStateError("the future is " + describe() + " already");
    decoded_.store(decoded.release(), std::memory_order_release);
    drop_input();
    finish(State::finished, false);
  }

  std::exception_ptr stored_exception() override { return decoded().error; }
  /// The value; throws the exception that there is instead. It must be finished.
  const R& stored_value() { return value(); }
  R copy_value() {
    if constexpr (can_be_copied<R>()) {
      return std::as_const(value());
    } else {
      throw InvalidStateError("a value that cannot be copied");  // the compiler has refused it
    }
  }
  /// The same for the last who asks: the value itself if nobody else holds the future.
  R take_value() {
    if constexpr (can_be_copied<R>()) {
      if (!held_once()) return copy_value();
    }
    return std::move(value());
  }
  std::string value_type_name() const override { return type_name(typeid(R)); }

 private:
  struct RemoteFailure {
    Bytes encoded;
  };
  /// What the outcome became: a value, or else an exception.
  struct Decoded {
    std::unique_ptr<R> value;
    std::exception_ptr error;
  };

  template <class Store>
  void end_with(Store&& store) noexcept {
    if (!claim()) return;
    try {
      store();
    } catch (...) {
      outcome_.template emplace<std::exception_ptr>(std::current_exception());
    }
    drop_input();
    finish(State::finished, false);
  }
  R& value() {
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
    if (readers_.fetch_sub(1) == 1 && !outcome_dropped_.exchange(true)) {
      outcome_.template emplace<std::monostate>();
    }
    return *decoded_.load();
  }
  Decoded decode_outcome() const {
    if (auto* const bytes = std::get_if<Bytes>(&outcome_)) {
      try {
        return {std::make_unique<R>(decode_or_explain<R>(*bytes, "the result")), nullptr};
      } catch (...) {
        return {nullptr, std::current_exception()};
      }
    }
    if (auto* const remote = std::get_if<RemoteFailure>(&outcome_)) return {nullptr, decode_exception(remote->encoded)};
    if (auto* const failure = std::get_if<FailurePtr>(&outcome_)) return {nullptr, (*failure)->exception()};
    if (auto* const error = std::get_if<std::exception_ptr>(&outcome_)) return {nullptr, *error};
    return {nullptr, std::make_exception_ptr(InvalidStateError("the future has no outcome"))};
  }

  void drop_input() noexcept override {
    input_ = Bytes();
    keep_alives_ = KeepAlives();
  }

  Bytes input_;
  KeepAlives keep_alives_;  ///< shared objects whose handles the input holds
  std::size_t head_ = 0;
  std::variant<std::monostate, Bytes, RemoteFailure, FailurePtr, std::exception_ptr> outcome_;
  std::atomic<Decoded*> decoded_{nullptr};
  std::atomic<std::uint32_t> readers_{0};  ///< who may be looking at outcome_ after the end
  std::atomic<bool> outcome_dropped_{false};
};

}  // namespace rankpool::inline v0_2::detail
