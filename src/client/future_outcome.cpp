#include <rankpool/detail/future_outcome.hpp>

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/errors.hpp>

#include <utility>

namespace rankpool::inline v0_2::detail {

FutureOutcome::FutureOutcome() = default;
FutureOutcome::~FutureOutcome() = default;

void FutureOutcome::set_input(Bytes input, std::size_t head, KeepAlives keep_alives) noexcept {
  keep_alives_ = std::move(keep_alives);
  input_ = std::move(input);
  input_.shrink_to_fit();
  head_ = head;
}

std::size_t FutureOutcome::gather(std::uint64_t, std::uint32_t, Gather& to) {
  to.push_back(input_.view().first(head_));
  to.push_back(input_.view().subspan(head_));
  return head_;
}

template <class Store>
void FutureOutcome::end_with(Store&& store) noexcept {
  if (!claim()) return;
  try {
    store();
  } catch (...) {
    outcome_.emplace<std::exception_ptr>(std::current_exception());
  }
  drop_input();
  finish(State::finished, false);
}

void FutureOutcome::values(std::uint64_t, std::uint32_t, std::span<const std::byte> bytes) noexcept {
  end_with([&] { outcome_.emplace<Bytes>(bytes); });
}
void FutureOutcome::value(std::uint64_t, Bytes encoded) noexcept {
  end_with([&] { outcome_.emplace<Bytes>(std::move(encoded)); });
}
void FutureOutcome::error(std::uint64_t, Bytes encoded) noexcept {
  end_with([&] { outcome_.emplace<RemoteFailure>(RemoteFailure{std::move(encoded)}); });
}
void FutureOutcome::fail(std::uint64_t, std::uint64_t, const FailurePtr& why) noexcept {
  end_with([&] { outcome_.emplace<FailurePtr>(why); });
}
void FutureOutcome::cancelled(std::uint64_t, std::uint64_t) noexcept {
  if (!claim()) return;
  drop_input();
  finish(State::cancelled, false);
}

void FutureOutcome::set_exception(std::exception_ptr error) {
  claim_or_throw();
  outcome_.emplace<std::exception_ptr>(std::move(error));
  drop_input();
  finish(State::finished, false);
}

void FutureOutcome::claim_or_throw() {
  if (!claim()) throw InvalidStateError("the future is " + describe() + " already");
}

const Bytes* FutureOutcome::encoded_value() const noexcept { return std::get_if<Bytes>(&outcome_); }

std::exception_ptr FutureOutcome::exception_of_outcome() const {
  if (auto* const remote = std::get_if<RemoteFailure>(&outcome_)) return decode_exception(remote->encoded);
  if (auto* const failure = std::get_if<FailurePtr>(&outcome_)) return (*failure)->exception();
  if (auto* const error = std::get_if<std::exception_ptr>(&outcome_)) return *error;
  return std::make_exception_ptr(InvalidStateError("the future has no outcome"));
}

void FutureOutcome::drop_outcome() noexcept { outcome_.emplace<std::monostate>(); }

void FutureOutcome::drop_input() noexcept {
  input_ = Bytes();
  keep_alives_ = KeepAlives();
}

}  // namespace rankpool::inline v0_2::detail
