#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/future_base.hpp>
#include <rankpool/detail/pins.hpp>
#include <rankpool/detail/type_name.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

namespace rankpool::inline v0_2::detail {

/// The lock under which the outcome of the future at this address is decoded.
std::recursive_mutex& decode_lock(const void* address) noexcept;

/// What stands behind a Future<T>; void is kept as std::monostate. Holds the encoded task until it has ended, then the
/// outcome, which is decoded by the first who asks for it.
template <class R>
class FutureState final : public FutureBase {
 public:
  /// The task: `head` bytes of code reference and callable, then the item; and what its handles keep alive.
  void set_input(Bytes input, std::size_t head, Pins pins) noexcept {
    pins_ = std::move(pins);
    input_ = std::move(input);
    input_.shrink_to_fit();
    head_ = head;
  }

  // Sink
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
    if (!claim()) throw InvalidStateError("the future is " + describe() + " already");
    outcome_.template emplace<Value>(std::make_unique<R>(std::move(value)));
    drop_input();
    finish(State::finished, false);
  }
  void set_exception(std::exception_ptr error) {
    if (!claim()) throw InvalidStateError("the future is " + describe() + " already");
    outcome_.template emplace<std::exception_ptr>(std::move(error));
    drop_input();
    finish(State::finished, false);
  }

  std::exception_ptr stored_exception() override {
    settle();
    const auto* const error = std::get_if<std::exception_ptr>(&outcome_);
    return error != nullptr ? *error : nullptr;
  }
  /// The value; throws the exception that there is instead. It must be finished.
  const R& stored_value() {
    settle();
    if (const auto* const error = std::get_if<std::exception_ptr>(&outcome_)) std::rethrow_exception(*error);
    return *std::get<Value>(outcome_);
  }
  /// The same for the last who asks: the value itself if nobody else holds the future.
  R take_value() {
    (void)stored_value();
    auto& value = *std::get<Value>(outcome_);
    return held_once() ? R(std::move(value)) : R(std::as_const(value));
  }
  std::string value_type_name() const override { return type_name(typeid(R)); }

 private:
  using Value = std::unique_ptr<R>;
  struct RemoteFailure {
    Bytes encoded;
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
  /// Makes of the outcome what can be given out.
  void settle() {
    if (settled_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(decode_lock(this));
    if (settled_.load(std::memory_order_relaxed)) return;
    if (auto* const bytes = std::get_if<Bytes>(&outcome_)) {
      try {
        auto value = std::make_unique<R>(decode_or_explain<R>(*bytes, "the result"));
        outcome_.template emplace<Value>(std::move(value));
      } catch (...) {
        outcome_.template emplace<std::exception_ptr>(std::current_exception());
      }
    } else if (auto* const remote = std::get_if<RemoteFailure>(&outcome_)) {
      auto error = decode_exception(remote->encoded);
      outcome_.template emplace<std::exception_ptr>(std::move(error));
    } else if (auto* const failure = std::get_if<FailurePtr>(&outcome_)) {
      auto error = (*failure)->exception();
      outcome_.template emplace<std::exception_ptr>(std::move(error));
    }
    settled_.store(true, std::memory_order_release);
  }

  std::atomic<bool> settled_{false};
  void drop_input() noexcept override {
    input_ = Bytes();
    pins_ = Pins();
  }

  Bytes input_;
  Pins pins_;  ///< shared objects whose handles the input holds
  std::size_t head_ = 0;
  std::variant<std::monostate, Value, Bytes, RemoteFailure, FailurePtr, std::exception_ptr> outcome_;
};

}  // namespace rankpool::inline v0_2::detail
