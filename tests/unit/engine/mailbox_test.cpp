#include "engine/mailbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <poll.h>
#include <numeric>
#include <thread>

namespace rankpool::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A mailbox with an engine that does nothing but note whose turn it was, and somebody who stands in for it.
class InlineDispatch : public ::testing::Test, protected InlineDispatcher {
 protected:
  bool takes(const SubmitWork&) override { return willing; }
  channel::FutexWake serve(Command& command) noexcept override {
    done.push_back(raw(std::get<SubmitWork>(command).work));
    return {};
  }
  void submit() {
    mailbox.post_work([](WorkId work) { return SubmitWork{PoolId{0}, work, {}, {}}; });
  }
  void fall_asleep() {
    ASSERT_TRUE(mailbox.prepare_sleep());
    mailbox.allow_inline_dispatch(*this);
  }
  bool rung() {
    pollfd fd{mailbox.fd(), POLLIN, 0};
    return ::poll(&fd, 1, 0) == 1;
  }
  std::vector<std::uint64_t> taken() {
    std::vector<Command> commands;
    mailbox.take(commands);
    std::vector<std::uint64_t> works;
    for (const Command& command : commands) works.push_back(raw(std::get<SubmitWork>(command).work));
    return works;
  }

  Mailbox mailbox;
  bool willing = true;
  std::vector<std::uint64_t> done;  ///< by who stood in
};

TEST_F(InlineDispatch, of_an_engine_that_sleeps_is_taken_by_who_submits_and_it_sleeps_on) {
  fall_asleep();
  submit();
  submit();
  EXPECT_THAT(done, ElementsAre(1, 2));
  EXPECT_TRUE(mailbox.empty());
  EXPECT_FALSE(rung());
}

TEST_F(InlineDispatch, of_an_engine_that_is_awake_is_taken_by_nobody) {
  submit();
  ASSERT_FALSE(mailbox.prepare_sleep());
  submit();  // it is about to sleep
  mailbox.end_inline_dispatch();
  mailbox.awake(true);
  submit();
  EXPECT_THAT(done, IsEmpty());
  EXPECT_THAT(taken(), ElementsAre(1, 2, 3));
}

TEST_F(InlineDispatch, is_not_taken_for_what_only_the_engine_can_do) {
  willing = false;
  fall_asleep();
  submit();
  EXPECT_TRUE(rung());
  EXPECT_THAT(done, IsEmpty());
  EXPECT_THAT(taken(), ElementsAre(1));
}

TEST_F(InlineDispatch, is_not_taken_before_what_is_posted_already) {
  fall_asleep();
  mailbox.post(SubmitWork{PoolId{0}, WorkId{100}, {}, {}});
  submit();
  EXPECT_THAT(done, IsEmpty());
  EXPECT_THAT(taken(), ElementsAre(100, 1));
}

TEST_F(InlineDispatch, is_not_taken_once_it_is_taken_back) {
  fall_asleep();
  mailbox.end_inline_dispatch();
  submit();
  EXPECT_THAT(done, IsEmpty());
  EXPECT_TRUE(rung());
}

TEST_F(InlineDispatch, is_left_to_one_at_a_time_and_everything_is_done_in_its_turn) {
  constexpr int threads = 3;
  constexpr std::uint64_t each = 20'000;
  std::thread engine([&] {
    for (bool ended = false; !ended;) {
      std::vector<Command> commands;
      mailbox.take(commands);
      for (const Command& command : commands) {
        if (const auto* const submission = std::get_if<SubmitWork>(&command)) {
          done.push_back(raw(submission->work));
        } else {
          ended = true;
        }
      }
      if (ended || !commands.empty()) continue;
      pollfd fd{mailbox.fd(), POLLIN, 0};
      if (mailbox.prepare_sleep()) {
        mailbox.allow_inline_dispatch(*this);
        // It also wakes up for other reasons.
        const timespec moment{0, 20'000};
        ::ppoll(&fd, 1, &moment, nullptr);
        mailbox.end_inline_dispatch();
      }
      mailbox.awake(fd.revents != 0);
    }
  });
  std::vector<std::thread> submitters;
  for (int i = 0; i < threads; ++i) {
    submitters.emplace_back([&] {
      for (std::uint64_t k = 0; k < each; ++k) submit();
    });
  }
  for (auto& submitter : submitters) submitter.join();
  mailbox.post(EndJob{});
  engine.join();
  std::vector<std::uint64_t> all(threads * each);
  std::iota(all.begin(), all.end(), 1);
  EXPECT_TRUE(done == all);
}

}  // namespace
}  // namespace rankpool::engine
