#include "watch/line_compressor.hpp"

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

TEST(LineCompressor, every_byte_comes_back) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  LineCompressor compressor;
  compressor.text(all);
  compressor.flush();
  EXPECT_EQ(inflated(compressor.output()), all);
}

TEST(LineCompressor, lines_that_resemble_earlier_ones_come_back_and_are_small) {
  std::mt19937 random(3);
  LineCompressor compressor;
  std::string text;
  std::string earlier;
  std::uint64_t position = 0;
  for (int i = 0; i < 20'000; ++i) {
    char line[160];
    std::snprintf(line, sizeof line,
                  "{\"ph\":\"X\",\"name\":\"fit(double)\",\"pid\":    1,\"ts\":%14.3f,\"dur\":%9.3f},\n", i * 10.1,
                  static_cast<double>(random() % 20'000) / 1e3);
    const std::uint64_t here = compressor.position();
    if (earlier.empty()) {
      compressor.text(line);
    } else {
      compressor.line(line, earlier, position);
    }
    earlier = line;
    position = here;
    text += line;
    if (random() % 500 == 0) compressor.flush();
  }
  compressor.flush();
  EXPECT_EQ(inflated(compressor.output()), text);
  EXPECT_LT(compressor.output().size(), text.size() / 5);
}

TEST(LineCompressor, lines_of_any_kind_and_distance_come_back) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    LineCompressor compressor;
    std::string text;
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    for (int i = 0; i < 100; ++i) {
      std::string line;
      const std::size_t size = random() % 700;
      if (!lines.empty() && random() % 4 != 0) line = lines[random() % lines.size()].second;
      line.resize(size, 'x');
      for (unsigned change = random() % 5; change > 0 && size > 0; --change)
        line[random() % size] = static_cast<char>(random());
      const std::uint64_t here = compressor.position();
      if (lines.empty() || random() % 10 == 0) {
        compressor.text(line);
      } else {
        const auto& [position, earlier] = lines[random() % lines.size()];
        compressor.line(line, earlier, position);
      }
      lines.emplace_back(here, line);
      text += line;
      if (random() % 20 == 0) compressor.flush();
    }
    compressor.flush();
    ASSERT_EQ(inflated(compressor.output()), text) << round;
  }
}

}  // namespace
}  // namespace rankpool::watch
