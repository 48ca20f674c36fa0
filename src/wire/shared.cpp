#include "wire/shared.hpp"

#include <rankpool/detail/shared_link.hpp>

#include <cstddef>
#include <tuple>

namespace rankpool::wire {
namespace {

template <class T>
void add_number(std::byte* to, const std::byte* summand) {
  T sum;
  T more;
  std::memcpy(&sum, to, sizeof sum);
  std::memcpy(&more, summand, sizeof more);
  sum = static_cast<T>(sum + more);  // integers are unsigned here: they wrap around, as std::atomic's do
  std::memcpy(to, &sum, sizeof sum);
}

/// False if there are no numbers of that kind and size.
bool add_bytes(std::uint8_t kind, std::size_t size, std::byte* to, const std::byte* summand) {
  using detail::NumberKind;
  const auto add = [&]<class... T>(std::type_identity<std::tuple<T...>>) {
    return ((size == sizeof(T) && (add_number<T>(to, summand), true)) || ...);
  };
  switch (NumberKind{kind}) {
    case NumberKind::floating:
      return add(std::type_identity<std::tuple<float, double, long double>>{});
    case NumberKind::integer:  // signed and unsigned sums have the same bits
      return add(std::type_identity<std::tuple<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>>{});
  }
  return false;
}

detail::Bytes refusal(const std::string& why) {
  return shared_reply(SharedStatus::error, std::as_bytes(std::span(why)));
}

}  // namespace

detail::Bytes serve_value(const SharedRequest& request, std::span<const std::byte> body, std::span<std::byte> value) {
  const std::size_t values = request.op == SharedOp::get ? 0 : request.op == SharedOp::exchange ? 2 : 1;
  if (value.empty() || body.size() != values * value.size()) {
    return refusal("a shared value was used as one of another type");
  }
  switch (request.op) {
    case SharedOp::get:
      return shared_reply(SharedStatus::done, value);
    case SharedOp::set:
      std::memcpy(value.data(), body.data(), value.size());
      return shared_reply(SharedStatus::done);
    case SharedOp::add: {
      detail::Bytes before = shared_reply(SharedStatus::done, value);
      if (!add_bytes(request.number_kind, value.size(), value.data(), body.data())) {
        return refusal("a shared value of this type cannot be added to");
      }
      return before;
    }
    case SharedOp::exchange:
      if (std::memcmp(value.data(), body.data(), value.size()) != 0) return shared_reply(SharedStatus::refused, value);
      std::memcpy(value.data(), body.data() + value.size(), value.size());
      return shared_reply(SharedStatus::done);
    default:
      return refusal("a request of an unknown kind");
  }
}

}  // namespace rankpool::wire
