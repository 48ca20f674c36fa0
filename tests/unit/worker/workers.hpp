#pragma once

#include "unit/host/hosted.hpp"
#include "wire/frame_headers.hpp"
#include "worker/worker.hpp"

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace rankpool::worker {

using namespace host;  // NOLINT: what the test is written in

/// What chunks of these tests name by a letter.
namespace tasks {

inline detail::Bytes all_of(detail::Input& input) {
  detail::Bytes bytes(input.left());
  input.read(bytes.data(), bytes.size());
  return bytes;
}
/// Gives its items back as one encoded result.
inline void echo(detail::TaskContext& context) {
  context.begin_item();
  context.end_with_encoded(all_of(context.input()));
}
/// Each item is an int; its square is the result.
inline void square(detail::TaskContext& context) {
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    int value = 0;
    context.input().read(&value, sizeof value);
    context.begin_item();
    value *= value;
    context.end_with_value(&value, sizeof value);
  }
}
/// Each takes longer than results are held back where the chunk says nothing.
template <int Milliseconds>
void one_each(detail::TaskContext& context) {
  const int one = 1;
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    context.begin_item();
    ::usleep(Milliseconds * 1000);
    context.end_with_value(&one, sizeof one);
  }
}
/// Squares, but the last item ends the process, after what came before can have been published.
inline void square_and_die(detail::TaskContext& context) {
  const int one = 1;
  for (std::uint32_t i = 0; i + 1 < context.count(); ++i) {
    context.begin_item();
    context.end_with_value(&one, sizeof one);
  }
  context.begin_item();
  ::raise(SIGKILL);
}
/// Squares ints like `square`; a negative one waits for the file that its callable names.
inline void square_or_wait(detail::TaskContext& context) {
  const std::string gate(reinterpret_cast<const char*>(context.callable().data()), context.callable().size());
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    int value = 0;
    context.input().read(&value, sizeof value);
    context.begin_item();
    while (value < 0 && ::access(gate.c_str(), F_OK) != 0) ::usleep(1000);
    value *= value;
    context.end_with_value(&value, sizeof value);
  }
}
inline void die_between_items(detail::TaskContext& context) {
  context.begin_item();
  context.end_with_encoded(all_of(context.input()));
  ::raise(SIGKILL);
}
/// Reads its items one by one, `length:u64 bytes` each: the result of one is its length.
inline void measure(detail::TaskContext& context) {
  for (std::uint32_t i = 0; i < context.count(); ++i) {
    std::uint64_t length = 0;
    context.input().read(&length, sizeof length);
    context.begin_item();
    const detail::Input::Part item(context.input(), static_cast<std::size_t>(length));
    context.end_with_value(&length, sizeof length);
  }
}
/// Gives the first half of its items back, without a look at the rest.
inline void first_half(detail::TaskContext& context) {
  context.begin_item();
  detail::Bytes half(context.input().left() / 2);
  context.input().read(half.data(), half.size());
  context.end_with_encoded(half.view().first(1), half.view().subspan(1));
}
inline void fail(detail::TaskContext&) { throw std::runtime_error("no"); }

}  // namespace tasks

inline const WorkerHooks kWorkerHooks{
    [](wire::Identity) {},
    [](std::span<const std::byte> encoded) {
      if (encoded[0] == std::byte{'!'}) throw std::runtime_error("initializer");
    },
    [](std::span<const std::byte> payload, std::span<const std::byte>& head) -> detail::Invoker {
      head = payload.subspan(1);
      switch (static_cast<char>(payload[0])) {
        case 's':
          return tasks::square;
        case 'w':
          return tasks::square_or_wait;
        case 'm':
          return tasks::one_each<1>;
        case 'M':
          return tasks::one_each<3>;
        case 'd':
          return tasks::square_and_die;
        case 'b':
          return tasks::die_between_items;
        case 'i':
          return tasks::measure;
        case 'h':
          return tasks::first_half;
        case 'f':
          return tasks::fail;
        case '?':
          throw std::runtime_error("unknown");
        default:
          return tasks::echo;
      }
    },
    [](const std::string&) {
      try {
        throw;
      } catch (const std::exception& e) {
        return detail::Bytes(std::as_bytes(std::span(e.what(), std::strlen(e.what()))));
      }
    }};

/// Worker 1 and its host: it runs `tasks`.
class Workers : public Hosted {
 protected:
  void SetUp() override {
    keep([](Channel channel, RankPage* shared, int wake) {
      worker_main(std::move(channel), shared, wake, kWorkerHooks);
    });
    pid = start(1);
  }
  void write(const wire::FrameHeader& header, std::span<const std::byte> payload) {
    host->write(WorkerId{1}, std::as_bytes(std::span(&header, 1)));
    host->write(WorkerId{1}, payload);
  }
  void send_chunk(char task, std::span<const std::byte> items, std::uint32_t count = 1,
                  std::chrono::nanoseconds hold_back = {}) {
    const auto header =
        wire::ChunkHeader{.chunk = ++chunks, .items = count, .head = 1, .hold_back = hold_back}.frame(items.size() + 1);
    host->write(WorkerId{1}, std::as_bytes(std::span(&header, 1)));
    host->write(WorkerId{1}, std::as_bytes(std::span(&task, 1)));
    host->write(WorkerId{1}, items);
    host->flush(WorkerId{1});
  }
  /// Polls until the chunks sent so far are done; gives the frames but those with times, which come when an item was
  /// far longer than the others.
  std::vector<Notes::Frame> answers() {
    EXPECT_TRUE(polled_until([&] {
      const auto all = notes.frames(1);
      return std::count_if(all.begin(), all.end(), [](const auto& frame) {
               return frame.header.flags == wire::FrameFlag::last;
             }) == static_cast<long>(chunks);
    }));
    auto frames = notes.frames(1);
    std::erase_if(frames, [](const auto& frame) { return frame.header.kind == wire::FrameKind::times; });
    return frames;
  }
  void expect_echo(std::size_t size) {
    const auto items = pattern(size, static_cast<unsigned>(size));
    send_chunk('e', items);
    const auto frames = answers();
    ASSERT_EQ(frames.size(), 2U) << size;
    EXPECT_EQ(frames[0].header.kind, wire::FrameKind::value);
    EXPECT_TRUE(frames[0].payload == items) << size;
    notes.output.clear();
    chunks = 0;
  }

  pid_t pid = 0;
  std::uint64_t chunks = 0;
};

}  // namespace rankpool::worker
