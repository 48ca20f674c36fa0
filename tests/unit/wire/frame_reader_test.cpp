#include "wire/frame_reader.hpp"

#include "unit/damage.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace rankpool::wire {
namespace {

using detail::Bytes;

struct Read {
  FrameKind kind{};
  std::uint64_t chunk = 0;
  std::string payload;
  bool operator==(const Read&) const = default;
};

void append_frame(Bytes& to, FrameKind kind, std::uint64_t chunk, const std::string& payload) {
  FrameHeader header;
  header.kind = kind;
  header.number = chunk;
  header.length = payload.size();
  to.append(&header, sizeof header);
  to.append(payload.data(), payload.size());
}

/// Takes frames and notes them.
class Reading {
 public:
  bool feed(std::span<const std::byte> bytes) {
    return reader_.feed(bytes, [this](const FrameHeader& header, std::span<const std::byte> payload, Bytes* owned) {
      EXPECT_EQ(payload.size(), header.length);
      EXPECT_TRUE(owned == nullptr || owned->view().data() == payload.data());
      frames.push_back({header.kind, header.number, {reinterpret_cast<const char*>(payload.data()), payload.size()}});
    });
  }
  std::vector<Read> frames;

 private:
  FrameReader reader_;
};

const std::vector<Read>& some_frames() {
  static const std::vector<Read> frames{{FrameKind::init, 0, "identity"},
                                        {FrameKind::chunk, 1, std::string(1000, 'c')},
                                        {FrameKind::stop, 0, ""},
                                        {FrameKind::values, 2, "v"},
                                        {FrameKind::request, 3, ""}};
  return frames;
}
Bytes stream_of(const std::vector<Read>& frames) {
  Bytes stream;
  for (const auto& frame : frames) append_frame(stream, frame.kind, frame.chunk, frame.payload);
  return stream;
}

TEST(FrameReader, frames_in_one_piece_come_out_as_they_went_in) {
  Reading reading;
  EXPECT_TRUE(reading.feed(stream_of(some_frames())));
  EXPECT_EQ(reading.frames, some_frames());
}

TEST(FrameReader, frames_in_pieces_of_any_size_come_out_as_they_went_in) {
  const Bytes stream = stream_of(some_frames());
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    Reading reading;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      ASSERT_TRUE(reading.feed(stream.view().subspan(at, std::min(piece, stream.size() - at))));
    }
    ASSERT_EQ(reading.frames, some_frames()) << "pieces of " << piece;
  }
}

TEST(FrameReader, a_frame_that_is_not_complete_is_not_given_out) {
  test::for_each_truncation(stream_of({{FrameKind::value, 7, "payload"}}), [](const Bytes& part) {
    Reading reading;
    EXPECT_TRUE(reading.feed(part));
    EXPECT_TRUE(reading.frames.empty());
  });
}

TEST(FrameReader, nothing_at_all_may_be_fed) {
  Reading reading;
  EXPECT_TRUE(reading.feed({}));
  EXPECT_TRUE(reading.feed(stream_of(some_frames())));
  EXPECT_TRUE(reading.feed({}));
  EXPECT_EQ(reading.frames, some_frames());
}

TEST(FrameReader, the_buffer_of_a_frame_in_pieces_may_be_moved_away) {
  const Bytes stream = stream_of({{FrameKind::value, 1, "first"}, {FrameKind::value, 2, "second"}});
  FrameReader reader;
  std::vector<Bytes> kept;
  const auto keep = [&](const FrameHeader&, std::span<const std::byte> payload, Bytes* owned) {
    kept.push_back(owned != nullptr ? std::move(*owned) : Bytes(payload));
  };
  EXPECT_TRUE(reader.feed(stream.view().first(42), keep));
  EXPECT_TRUE(reader.feed(stream.view().subspan(42), keep));
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(std::memcmp(kept[0].data(), "first", 5), 0);
  EXPECT_EQ(std::memcmp(kept[1].data(), "second", 6), 0);
}

/// Results of fixed size with the numbers from `first` on; each is its own number, in two bytes.
Bytes values_frame(std::uint64_t first, std::uint16_t count) {
  FrameHeader header;
  header.kind = FrameKind::values;
  header.flags = FrameFlag::last;
  header.extra = 77;
  header.first = first;
  header.count = count;
  header.length = std::uint64_t{2} * count;
  Bytes stream;
  stream.append(&header, sizeof header);
  for (std::uint16_t i = 0; i < count; ++i) {
    const auto value = static_cast<std::uint16_t>(first + i);
    stream.append(&value, sizeof value);
  }
  return stream;
}

TEST(FrameReader, results_of_fixed_size_come_out_as_far_as_they_are_there) {
  const Bytes stream = values_frame(10, 20);
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    FrameReader reader;
    std::uint64_t next = 10;
    bool ended = false;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      const auto bytes = stream.view().subspan(at, std::min(piece, stream.size() - at));
      ASSERT_TRUE(reader.feed(bytes, [&](const FrameHeader& header, std::span<const std::byte> payload, Bytes*) {
        ASSERT_FALSE(ended);
        ASSERT_EQ(header.first, next);
        ASSERT_EQ(payload.size(), 2U * header.count);
        for (std::size_t i = 0; i < header.count; ++i, ++next) {
          std::uint16_t value = 0;
          std::memcpy(&value, payload.data() + 2 * i, sizeof value);
          ASSERT_EQ(value, next);
        }
        ended = header.flags == FrameFlag::last;
        EXPECT_EQ(header.extra, ended ? 77U : 0U);
      }));
      // A result that was cut in two keeps those behind it waiting.
      if (piece % 2 == 0 && at >= sizeof(FrameHeader)) {
        ASSERT_EQ(next, 10 + (at - sizeof(FrameHeader) + bytes.size()) / 2);
      }
    }
    ASSERT_TRUE(ended);
    ASSERT_EQ(next, 30U);
  }
}

TEST(FrameReader, a_header_without_the_magic_number_or_with_an_unknown_kind_is_refused) {
  for (const std::size_t at : {0U, 1U, 2U}) {
    Bytes stream = stream_of({{FrameKind::value, 7, "payload"}});
    stream.data()[at] = std::byte{99};
    Reading reading;
    EXPECT_FALSE(reading.feed(stream));
    EXPECT_TRUE(reading.frames.empty());
  }
}

TEST(FrameReader, a_length_that_no_memory_holds_is_refused) {
  FrameHeader header;
  header.kind = FrameKind::value;
  for (const std::uint64_t length : {UINT64_MAX, UINT64_MAX / 2, UINT64_MAX / 4 + 1}) {
    header.length = length;
    Reading reading;
    EXPECT_FALSE(reading.feed(std::as_bytes(std::span(&header, 1))));
  }
}

/// In a process of its own, which may take little more memory than it has.
int read_what_there_is_no_memory_for() {
  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlimit little{static_cast<rlim_t>(pages * 4096 + (96L << 20U)), RLIM_INFINITY};
  ::setrlimit(RLIMIT_AS, &little);
  FrameReader reader;
  std::vector<FrameHeader> read;
  const auto feed = [&](std::span<const std::byte> bytes) {
    return reader.feed(bytes, [&](const FrameHeader& header, std::span<const std::byte> payload, Bytes*) {
      read.push_back(header);
      if (header.kind == FrameKind::value && payload.size() != header.length) read.clear();
    });
  };
  FrameHeader header;
  header.kind = FrameKind::value;
  header.number = 5;
  header.count = 1;
  header.length = std::uint64_t{200} << 20U;
  if (!feed(std::as_bytes(std::span(&header, 1)))) return 1;
  const std::vector<std::byte> piece(std::size_t{1} << 20U);
  for (int i = 0; i < 200; ++i) {
    if (!feed(piece)) return 2;
  }
  if (read.size() != 1 || read[0].kind != FrameKind::dropped || read[0].number != 5 || read[0].count != 1) return 3;
  header.length = 3;
  header.number = 6;
  if (!feed(std::as_bytes(std::span(&header, 1))) || !feed(std::span(piece).first(3))) return 4;
  return read.size() == 2 && read[1].kind == FrameKind::value && read[1].number == 6 ? 0 : 5;
}

TEST(FrameReader, a_frame_for_which_there_is_no_memory_is_passed_over_and_told) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(read_what_there_is_no_memory_for());
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(FrameReader, fuzz) {
  const Bytes stream = stream_of(some_frames());
  std::mt19937 random(4711);
  test::for_each_mutation(stream, 7, 20'000, [&](const Bytes& damaged) {
    Reading reading;
    for (std::size_t at = 0; at < damaged.size();) {
      const std::size_t piece = std::min<std::size_t>(1 + random() % 400, damaged.size() - at);
      if (!reading.feed(damaged.view().subspan(at, piece))) break;
      at += piece;
    }
  });
}

}  // namespace
}  // namespace rankpool::wire
