#pragma once

#include "wire/shared.hpp"

#include <rankpool/detail/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace rankpool::wire {

/// What a worker is told of itself.
struct Identity {
  std::uint32_t worker = 0;
  std::int32_t rank = 0;
  std::uint32_t threads = 1;  ///< cores that it may use
  std::string host;
};

/// What a worker gets first, the payload of `init`. PROTOCOL.md has the layout.
struct Init {
  Identity identity;
  std::span<const std::byte> initializer;  ///< encoded, may be empty; of a decoded one, a part of what was decoded
};

[[nodiscard]] inline detail::Bytes encode(const Init& init) {
  const auto host_size = static_cast<std::uint32_t>(init.identity.host.size());
  detail::Bytes payload;
  payload.append(&init.identity.worker, sizeof init.identity.worker);
  payload.append(&init.identity.rank, sizeof init.identity.rank);
  payload.append(&init.identity.threads, sizeof init.identity.threads);
  payload.append(&host_size, sizeof host_size);
  payload.append(init.identity.host.data(), init.identity.host.size());
  payload.append(init.initializer.data(), init.initializer.size());
  return payload;
}

/// Nothing if it is none.
[[nodiscard]] inline std::optional<Init> decode_init(std::span<const std::byte> payload) {
  const auto worker = take_plain<std::uint32_t>(payload);
  const auto rank = take_plain<std::int32_t>(payload);
  const auto threads = take_plain<std::uint32_t>(payload);
  const auto host_size = take_plain<std::uint32_t>(payload);
  if (!host_size || *host_size > payload.size()) return std::nullopt;
  const std::string host(reinterpret_cast<const char*>(payload.data()), *host_size);
  return Init{{*worker, *rank, *threads, host}, payload.subspan(*host_size)};
}

}  // namespace rankpool::wire
