#include "wire/identity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace rankpool::wire {
namespace {

TEST(Init, comes_out_as_it_went_in) {
  const std::array initializer{std::byte{1}, std::byte{2}};
  for (const auto& sent : {std::span<const std::byte>(initializer), std::span<const std::byte>()}) {
    const detail::Bytes payload = encode(Init{{7, -1, 4, "node 1"}, sent});
    const auto init = decode_init(payload.view());
    ASSERT_TRUE(init);
    EXPECT_EQ(init->identity.worker, 7U);
    EXPECT_EQ(init->identity.rank, -1);
    EXPECT_EQ(init->identity.threads, 4U);
    EXPECT_EQ(init->identity.host, "node 1");
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), init->initializer.begin(), init->initializer.end()));
  }
}

TEST(Init, that_ends_within_its_head_or_its_host_is_none) {
  const detail::Bytes payload = encode(Init{{7, 1, 4, "node 1"}, {}});
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_FALSE(decode_init(payload.view().first(size))) << size;
  EXPECT_TRUE(decode_init(payload.view()));
}

}  // namespace
}  // namespace rankpool::wire
