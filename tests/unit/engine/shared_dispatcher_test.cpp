#include "engine/shared_dispatcher.hpp"

#include "unit/engine/fakes.hpp"

#include <csignal>

namespace rankpool::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using wire::FrameKind;
using wire::SharedOp;
using wire::SharedStatus;

constexpr std::uint64_t kValue = 7;

/// One rank with two workers that use a value, which begins as "five".
class SharedCalls : public testing::Test {
 protected:
  SharedCalls() {
    workers.set_port(Rank{0}, &port);
    for (const std::uint32_t id : {0U, 1U}) workers.add(WorkerId{id}, workers.rank(Rank{0}), nullptr);
    MakeSharedValue make{kValue, detail::Bytes(bytes_of("five"))};
    shared.handle(make);
  }
  static std::string request(SharedOp op, const std::string& body = {}, std::int64_t number = 0) {
    wire::SharedRequest header;
    header.op = op;
    header.id = kValue;
    header.thread = 1;
    header.number = number;
    return text_of(std::as_bytes(std::span(&header, 1))) + body;
  }
  void ask(std::uint32_t worker, std::uint64_t number, const std::string& request,
           FrameKind kind = FrameKind::request) {
    shared.worker_side_output(WorkerId{worker}, framed(wire::CallHeader{kind, number}.frame(0), request));
    carry_out();
  }
  /// The replies to a worker since the last call of this: number, status and body.
  std::vector<std::pair<std::uint64_t, std::string>> replies(std::uint32_t worker) {
    std::vector<std::pair<std::uint64_t, std::string>> all;
    for (const auto& frame : std::exchange(port.side_frames[worker], {})) {
      EXPECT_EQ(frame.header.kind, FrameKind::reply);
      EXPECT_EQ(frame.payload.at(0), static_cast<char>(SharedStatus::done));
      all.emplace_back(wire::CallHeader::of(frame.header).number, frame.payload.substr(1));
    }
    return all;
  }
  void carry_out() {
    shared.carry_out();
    workers.flush();
  }

  FakePort port;
  Workers workers;
  SharedDispatcher shared{workers};
};

TEST_F(SharedCalls, a_worker_is_answered_on_its_side_stream_under_its_number) {
  ask(0, 11, request(SharedOp::get));
  EXPECT_THAT(replies(0), ElementsAre(Pair(11U, "five")));
  EXPECT_THAT(replies(1), IsEmpty());
  EXPECT_EQ(port.flushes, 1);
}

TEST_F(SharedCalls, a_thread_of_rank_0_is_answered_through_its_caller) {
  auto caller = std::make_shared<SharedCaller>(detail::Bytes(bytes_of(request(SharedOp::get))));
  CallShared call{caller};
  shared.handle(call);
  carry_out();
  EXPECT_EQ(text_of(caller->wait()).substr(1), "five");
  EXPECT_EQ(port.flushes, 0);
}

TEST_F(SharedCalls, a_request_may_be_cut_anywhere) {
  const auto header = wire::CallHeader{FrameKind::request, 3}.frame(0);
  const detail::Bytes bytes = framed(header, request(SharedOp::get));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_THAT(replies(0), IsEmpty());
    shared.worker_side_output(WorkerId{0}, bytes.view().subspan(i, 1));
    carry_out();
  }
  EXPECT_THAT(replies(0), ElementsAre(Pair(3U, "five")));
}

TEST_F(SharedCalls, a_side_stream_that_is_none_ends_its_worker_and_is_heard_no_more) {
  ask(0, 1, request(SharedOp::get), FrameKind::value);
  EXPECT_THAT(port.killed, ElementsAre(Pair(0U, SIGKILL)));
  ask(0, 2, request(SharedOp::get));
  EXPECT_THAT(replies(0), IsEmpty());
  ask(1, 3, request(SharedOp::get));
  EXPECT_THAT(replies(1), ElementsAre(Pair(3U, "five")));
}

TEST_F(SharedCalls, the_lock_of_a_worker_that_is_gone_goes_to_the_next) {
  ask(0, 1, request(SharedOp::lock, {}, -1));
  ask(1, 2, request(SharedOp::lock, {}, -1));
  EXPECT_THAT(replies(1), IsEmpty());
  workers.erase(WorkerId{0});
  shared.worker_gone(WorkerId{0});
  carry_out();
  EXPECT_THAT(replies(1), ElementsAre(Pair(2U, "five")));
}

TEST_F(SharedCalls, a_lock_that_is_waited_for_in_vain_is_a_deadline) {
  EXPECT_EQ(shared.next_deadline(), std::nullopt);
  ask(0, 1, request(SharedOp::lock, {}, -1));
  ask(1, 2, request(SharedOp::lock, {}, 5000));
  EXPECT_EQ(shared.next_deadline(), SharedDispatcher::Time(5000));
  shared.tick(5000ns);
  carry_out();
  const auto refused = std::exchange(port.side_frames[1], {});
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].payload, std::string(1, static_cast<char>(SharedStatus::refused)));
}

TEST_F(SharedCalls, at_the_end_whoever_waits_is_told_why_and_so_is_who_comes_later) {
  ask(0, 1, request(SharedOp::lock, {}, -1));
  for (const bool before : {true, false}) {
    auto caller = std::make_shared<SharedCaller>(detail::Bytes(bytes_of(request(SharedOp::get))));
    CallShared call{caller};
    if (!before) shared.end("something else");
    shared.handle(call);
    carry_out();
    if (before) shared.end("the job has ended");
    const std::string reply = text_of(caller->wait());
    EXPECT_EQ(reply.at(0), static_cast<char>(SharedStatus::error));
    EXPECT_EQ(reply.substr(1), "the job has ended");
  }
}

TEST_F(SharedCalls, a_broadcast_is_given_by_the_rank_of_who_asks_and_forgotten_by_all) {
  FakePort other;
  workers.set_port(Rank{1}, &other);
  workers.add(WorkerId{2}, workers.rank(Rank{1}), nullptr);
  MakeSharedBlob make{9, std::make_shared<const channel::Blob>(9, 10)};
  shared.handle(make);
  wire::SharedRequest wanted;
  wanted.op = SharedOp::blob;
  wanted.id = 9;
  ask(2, 5, text_of(std::as_bytes(std::span(&wanted, 1))));
  EXPECT_THAT(port.blobs, IsEmpty());
  EXPECT_THAT(other.blobs, ElementsAre(ElementsAre(2U, 5U, 9U)));
  ForgetShared forget{9};
  shared.handle(forget);
  carry_out();
  EXPECT_THAT(port.forgotten_blobs, ElementsAre(9U));
  EXPECT_THAT(other.forgotten_blobs, ElementsAre(9U));
  ASSERT_EQ(other.side_frames[2].size(), 1U);
  EXPECT_EQ(other.side_frames[2][0].header.kind, FrameKind::forget);
  EXPECT_THAT(port.side_frames, IsEmpty());
}

}  // namespace
}  // namespace rankpool::engine
