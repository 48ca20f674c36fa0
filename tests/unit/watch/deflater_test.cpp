#include "watch/deflater.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace rankpool::watch {
namespace {

/// By zlib, which is to read it.
std::string inflated(const std::vector<std::uint8_t>& bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, -15), Z_OK);
  std::string text;
  std::vector<char> part(1U << 16U);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  int status = Z_OK;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    status = inflate(&stream, Z_SYNC_FLUSH);
    text.append(part.data(), part.size() - stream.avail_out);
  } while (status == Z_OK && stream.avail_out == 0);
  EXPECT_TRUE(status == Z_OK || status == Z_BUF_ERROR) << (stream.msg == nullptr ? "" : stream.msg);
  EXPECT_EQ(stream.avail_in, 0U);
  inflateEnd(&stream);
  return text;
}

TEST(Deflater, all_that_was_written_can_be_inflated_after_each_flush) {
  std::mt19937 random(3);
  Deflater deflater;
  std::string text;
  for (int i = 0; i < 300; ++i) {
    // Of all sizes, and some that do not get smaller: more than there is room for at a time.
    std::string part(random() % (i % 50 == 0 ? 300'000 : 3'000), 'x');
    for (char& c : part) {
      if (random() % 3 == 0) c = static_cast<char>(random());
    }
    deflater.write(part);
    text += part;
    if (random() % 10 != 0) continue;
    deflater.flush();
    ASSERT_EQ(inflated(deflater.output()), text) << i;
  }
}

TEST(Deflater, lines_that_are_alike_become_small) {
  std::mt19937 random(3);
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    char line[160];
    std::snprintf(line, sizeof line,
                  "{\"ph\":\"X\",\"name\":\"fit(double)\",\"pid\":    1,\"ts\":%14.3f,\"dur\":%9.3f},\n", i * 10.1,
                  static_cast<double>(random() % 20'000) / 1e3);
    text += line;
  }
  Deflater deflater;
  deflater.write(text);
  deflater.flush();
  EXPECT_EQ(inflated(deflater.output()), text);
  EXPECT_LT(deflater.output_size(), text.size() / 5);
}

TEST(Deflater, a_flush_without_news_says_nothing) {
  Deflater deflater;
  deflater.flush();
  EXPECT_EQ(deflater.output_size(), 0U);
  deflater.write("a");
  deflater.flush();
  const std::size_t size = deflater.output_size();
  deflater.flush();
  EXPECT_EQ(deflater.output_size(), size);
}

TEST(Deflater, the_checksum_is_zlibs) {
  const std::string text = "the quick brown fox";
  const auto expected = ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size()));
  EXPECT_EQ(gzip_checksum(gzip_checksum(0, text.substr(0, 7)), text.substr(7)), expected);
  EXPECT_EQ(gzip_checksum(0, ""), 0U);
}

}  // namespace
}  // namespace rankpool::watch
