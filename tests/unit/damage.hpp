#pragma once

#include <rankpool/detail/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <span>

/// What may have happened to encoded bytes, for tests of those who decode them. The same damage in every run.
namespace rankpool::test {

using Look = std::function<void(const detail::Bytes&)>;

/// Calls it with every true beginning of the bytes, each in memory of exactly that length.
inline void for_each_truncation(std::span<const std::byte> whole, const Look& look) {
  for (std::size_t size = 0; size < whole.size(); ++size) look(detail::Bytes(whole.first(size)));
}

/// Calls it with the bytes where each run of eight in turn holds a number that no length can be.
inline void for_each_length_lie(std::span<const std::byte> whole, const Look& look) {
  constexpr std::uint64_t lies[] = {std::uint64_t{1} << 60U, UINT64_MAX, UINT64_MAX / 2 + 1, std::uint64_t{1} << 40U,
                                    1'000'000'000};
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= whole.size(); ++at) {
    for (const std::uint64_t lie : lies) {
      detail::Bytes damaged(whole);
      std::memcpy(damaged.data() + at, &lie, sizeof lie);
      look(damaged);
    }
  }
}

/// Calls it `rounds` times with a few bytes changed, and sometimes some cut off, put in or said twice.
inline void for_each_mutation(std::span<const std::byte> whole, unsigned seed, int rounds, const Look& look) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random()) % end; };
  const auto byte = [&] { return static_cast<std::byte>(below(256)); };
  for (int round = 0; round < rounds; ++round) {
    detail::Bytes damaged(whole);
    for (std::size_t changes = 1 + below(4); changes > 0 && !damaged.empty(); --changes) {
      std::byte& victim = damaged.data()[below(damaged.size())];
      victim = below(2) == 0 ? byte() : victim ^ static_cast<std::byte>(1U << below(8));
    }
    switch (below(8)) {
      case 0:
        if (!damaged.empty()) damaged.truncate(below(damaged.size()));
        break;
      case 1:
        for (std::size_t more = below(9); more > 0; --more) *damaged.grow_by(1) = byte();
        break;
      case 2:
        if (!whole.empty()) damaged.append(whole.data(), below(whole.size()));
        break;
      default:
        break;
    }
    damaged.shrink_to_fit();
    look(damaged);
  }
}

}  // namespace rankpool::test
