#pragma once

#include "engine/mailbox.hpp"
#include "engine/rank_port.hpp"
#include "engine/task_events.hpp"
#include "wire/frame_headers.hpp"
#include "wire/frame_reader.hpp"

#include <rankpool/detail/result_receiver.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// The world around the dispatchers, made of notes.
namespace rankpool::engine {

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// A rank that notes what it is told.
class FakePort final : public RankPort {
 public:
  struct Frame {
    wire::FrameHeader header;
    std::string payload;
  };

  [[nodiscard]] bool is_direct(WorkerId) const override { return direct; }
  void start(WorkerId worker, base::WorkerOrigin) override { started.push_back(raw(worker)); }
  void write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
             const detail::Ref<detail::ResultReceiver>& /*keep_alive*/) override {
    std::string payload;
    for (const auto& part : body) payload += text_of(part);
    Frame frame{{}, payload};
    ASSERT_EQ(header.size(), sizeof frame.header);
    std::memcpy(&frame.header, header.data(), sizeof frame.header);
    EXPECT_EQ(frame.header.length, payload.size());
    frames[raw(worker)].push_back(frame);
  }
  void write_side(WorkerId worker, std::span<const std::byte> bytes) override {
    wire::FrameReader reader;
    EXPECT_TRUE(reader.feed(bytes, [&](const wire::FrameHeader& header, auto payload, detail::Bytes*) {
      side_frames[raw(worker)].push_back({header, text_of(payload)});
    }));
  }
  void give_blob(WorkerId worker, std::uint64_t request, std::uint64_t id,
                 std::shared_ptr<const channel::Blob> /*blob*/) override {
    blobs.push_back({raw(worker), request, id});
  }
  [[nodiscard]] std::shared_ptr<channel::Leases> leases(WorkerId) override { return nullptr; }
  void forget_blob(std::uint64_t id) override { forgotten_blobs.push_back(id); }
  void kill(WorkerId worker, int signal) override { killed.emplace_back(raw(worker), signal); }
  void flush() override { ++flushes; }

  /// The frames that the worker was sent since the last call of this.
  std::vector<Frame> taken(std::uint32_t worker) { return std::exchange(frames[worker], {}); }

  std::vector<std::uint32_t> started;
  std::map<std::uint32_t, std::vector<Frame>> frames;
  std::map<std::uint32_t, std::vector<Frame>> side_frames;
  std::vector<std::array<std::uint64_t, 3>> blobs;
  std::vector<std::uint64_t> forgotten_blobs;
  std::vector<std::pair<std::uint32_t, int>> killed;
  int flushes = 0;
  bool direct = false;
};

/// Notes how each item ended, in a line: "0 value five", "1..3 failed ...".
class FakeReceiver final : public detail::ResultReceiver {
 public:
  explicit FakeReceiver(std::vector<std::string>& notes) : notes_(notes) {}

  bool begin(std::uint64_t /*first*/, std::uint32_t /*count*/) noexcept override { return willing; }
  std::size_t gather(std::uint64_t first, std::uint32_t count, detail::Gather& to) override {
    content_ = "code" + std::to_string(first) + "+" + std::to_string(count);
    to.push_back(bytes_of(content_));
    return 4;
  }
  void values(std::uint64_t first, std::uint32_t count, std::span<const std::byte> bytes) noexcept override {
    note(first, count, "values " + text_of(bytes));
  }
  void value(std::uint64_t index, detail::Bytes encoded) noexcept override {
    note(index, 1, "value " + text_of(encoded));
  }
  void error(std::uint64_t index, detail::Bytes encoded) noexcept override {
    note(index, 1, "error " + text_of(encoded));
  }
  void skipped(std::uint64_t first, std::uint64_t count) noexcept override { note(first, count, "skipped"); }
  void fail(std::uint64_t first, std::uint64_t count, const detail::FailurePtr& why) noexcept override {
    failures.push_back(why);
    note(first, count, "failed");
  }
  void cancelled(std::uint64_t first, std::uint64_t count) noexcept override { note(first, count, "cancelled"); }

  bool willing = true;
  std::vector<detail::FailurePtr> failures;

 private:
  void note(std::uint64_t first, std::uint64_t count, const std::string& how) {
    notes_.push_back(std::to_string(first) + (count == 1 ? "" : "+" + std::to_string(count)) + " " + how);
  }
  std::vector<std::string>& notes_;
  std::string content_;
};

/// Notes the events' kinds.
class FakeEvents final : public TaskEvents {
 public:
  void tell(const TaskEvent& event) noexcept override { all.push_back(event); }
  [[nodiscard]] bool wants_times() const noexcept override { return times; }
  /// Those of one kind since the last call of this.
  template <class Event>
  std::vector<Event> of() {
    std::vector<Event> found;
    for (const TaskEvent& event : all) {
      if (const auto* one = std::get_if<Event>(&event)) found.push_back(*one);
    }
    return found;
  }
  std::vector<TaskEvent> all;
  bool times = false;
};

/// Of a rank on a node of its own.
inline RankFacts facts_of(int rank) {
  RankFacts facts;
  facts.rank = Rank{rank};
  facts.host = "node" + std::to_string(rank);
  facts.pid = 100 + rank;
  return facts;
}

/// What a worker sends: a header and what follows it.
inline detail::Bytes framed(wire::FrameHeader header, const std::string& payload = {}) {
  header.length = payload.size();
  detail::Bytes bytes(std::as_bytes(std::span(&header, 1)));
  bytes.append(payload.data(), payload.size());
  return bytes;
}
inline detail::Bytes frame_of(wire::FrameKind kind, const std::string& payload = {}) {
  return framed(wire::FrameHeader(kind), payload);
}
/// Outcomes of items `first` and following of a chunk.
inline detail::Bytes outcome(wire::FrameKind kind, std::uint64_t chunk, std::uint64_t first, std::uint32_t count,
                             const std::string& payload, bool last) {
  const std::chrono::nanoseconds busy(last ? 1000 : 0);
  return framed(wire::OutcomeHeader{kind, chunk, first, count, last, busy}.frame(), payload);
}

}  // namespace rankpool::engine
