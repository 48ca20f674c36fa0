#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/future_base.hpp>
#include <rankpool/detail/keep_alives.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <variant>

namespace rankpool::inline v0_2::detail {

/// The task of a future until it has ended, and then its outcome as it came, whatever the type of its value.
class FutureOutcome : public FutureBase {
 public:
  /// The task: `head` bytes of code reference and callable, then the item; and what its handles keep alive.
  void set_input(Bytes input, std::size_t head, KeepAlives keep_alives) noexcept;

  // ResultReceiver
  bool begin(std::uint64_t, std::uint32_t) noexcept override { return begin_running(); }
  std::size_t gather(std::uint64_t, std::uint32_t, Gather& to) override;
  void values(std::uint64_t, std::uint32_t, std::span<const std::byte> bytes) noexcept override;
  void value(std::uint64_t, Bytes encoded) noexcept override;
  void error(std::uint64_t, Bytes encoded) noexcept override;
  void fail(std::uint64_t, std::uint64_t, const FailurePtr& why) noexcept override;
  void cancelled(std::uint64_t, std::uint64_t) noexcept override;

  /// Ends it with an exception of this process. Throws InvalidStateError if it has ended.
  void set_exception(std::exception_ptr error);

 protected:
  FutureOutcome();
  ~FutureOutcome() override;

  /// To be called by who is about to set a value of this process: claims the outcome, or throws InvalidStateError.
  void claim_or_throw();
  /// The encoded value that it ended with, or null.
  [[nodiscard]] const Bytes* encoded_value() const noexcept;
  /// The exception that it ended with, made anew; there must be no encoded value.
  [[nodiscard]] std::exception_ptr exception_of_outcome() const;
  void drop_outcome() noexcept;
  void drop_input() noexcept override;

 private:
  struct RemoteFailure {
    Bytes encoded;
  };
  template <class Store>
  void end_with(Store&& store) noexcept;

  Bytes input_;
  KeepAlives keep_alives_;  ///< shared objects whose handles the input holds
  std::size_t head_ = 0;
  std::variant<std::monostate, Bytes, RemoteFailure, FailurePtr, std::exception_ptr> outcome_;
};

}  // namespace rankpool::inline v0_2::detail
