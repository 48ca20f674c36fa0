#include "unit/liveness/lines.hpp"

#include <sys/resource.h>
#include <cstring>
#include <span>

namespace rankpool::liveness {
namespace {

TEST(Addresses, numeric_ones_are_parsed) {
  Address address;
  EXPECT_TRUE(Address::parse("127.0.0.1", 80, address));
  EXPECT_EQ(address.storage.ss_family, AF_INET);
  EXPECT_TRUE(Address::parse("::1", 80, address));
  EXPECT_EQ(address.storage.ss_family, AF_INET6);
}

TEST(Addresses, names_and_nonsense_are_not) {
  Address address;
  for (const char* const text : {"localhost", "127.0.0.1:80", "256.0.0.1", "[::1]", "a b"}) {
    EXPECT_FALSE(Address::parse(text, 80, address)) << text;
  }
}

TEST(Addresses, interface_is_chosen_by_name_or_by_address) {
  const auto by_name = own_addresses("lo");
  EXPECT_EQ(by_name.front(), "127.0.0.1");
  for (const auto& text : by_name) EXPECT_EQ(own_addresses(text), std::vector{text});
}

TEST(Addresses, name_that_is_none_is_complained_of_with_the_interfaces_there_are) {
  EXPECT_EQ(interface_complaint(""), "");
  EXPECT_EQ(interface_complaint("lo"), "");
  EXPECT_EQ(interface_complaint("127.0.0.1"), "");
  const std::string text = interface_complaint("ib7");
  EXPECT_TRUE(text.starts_with("RANKPOOL_INTERFACE=\"ib7\" is not ")) << text;
  EXPECT_NE(text.find(" lo"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("; using all of them")) << text;
}

TEST(Addresses, loopback_comes_last) {
  const auto all = own_addresses("");
  const auto first_loop =
      std::find_if(all.begin(), all.end(), [](const auto& text) { return text == "127.0.0.1" || text == "::1"; });
  for (auto one = first_loop; one != all.end(); ++one) {
    EXPECT_TRUE(one->starts_with("127.") || *one == "::1") << *one;
  }
}

TEST(Addresses, link_local_ones_are_not_offered) {
  for (const auto& text : own_addresses("")) EXPECT_FALSE(text.starts_with("fe80")) << text;
}

TEST(Tokens, differ_in_any_byte) {
  const Token token = random_token();
  EXPECT_TRUE(same_token(token, token));
  for (std::size_t i = 0; i < token.size(); ++i) {
    Token other = token;
    other[i] ^= std::byte{0x80};
    EXPECT_FALSE(same_token(token, other)) << i;
  }
}

TEST(Descriptors, soft_limit_is_raised_as_far_as_wanted_and_allowed) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{64, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &low);
  rlimit now{};
  make_room_for_descriptors(32);
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, 64U);
  make_room_for_descriptors(200);
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, 200U);
  make_room_for_descriptors(static_cast<std::size_t>(-1) / 2);
  ::getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, before.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(Signals, are_read_from_pieces_of_any_size) {
  std::vector<LifelineMessage> sent;
  for (std::uint64_t i = 0; i < 50; ++i)
    sent.push_back({i % 2 == 0 ? LifelineMessage::Kind::asleep : LifelineMessage::Kind::exit_notice, i});
  const std::span bytes = std::as_bytes(std::span(sent));
  for (std::size_t piece = 1; piece <= 40; ++piece) {
    LifelineReader reader;
    std::vector<LifelineMessage> got;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const auto part = bytes.subspan(at, std::min(piece, bytes.size() - at));
      ASSERT_TRUE(reader.feed(part.data(), part.size(), got));
    }
    ASSERT_EQ(got.size(), sent.size());
    EXPECT_EQ(std::memcmp(got.data(), sent.data(), bytes.size()), 0) << piece;
  }
}

TEST(Signals, unknown_kind_is_none) {
  for (const std::uint64_t kind : {std::uint64_t{0}, std::uint64_t{4}, UINT64_MAX}) {
    const LifelineMessage message{static_cast<LifelineMessage::Kind>(kind), 0};
    LifelineReader reader;
    std::vector<LifelineMessage> got;
    EXPECT_FALSE(reader.feed(reinterpret_cast<const std::byte*>(&message), sizeof message, got)) << kind;
    EXPECT_TRUE(got.empty());
  }
}

}  // namespace
}  // namespace rankpool::liveness
