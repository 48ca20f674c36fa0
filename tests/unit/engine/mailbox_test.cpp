#include "engine/mailbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <poll.h>
#include <atomic>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <utility>

namespace rankpool::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A mailbox with an engine that does nothing but note whose turn it was, and somebody who stands in for it.
class InlineDispatch : public ::testing::Test, protected StandIn {
 protected:
  bool takes(const SubmitWork&) override { return willing; }
  std::vector<channel::FutexWake> serve(Command& command) noexcept override {
    done.push_back(raw(std::get<SubmitWork>(command).work));
    return {};
  }
  void begin_turns() noexcept override { notes.emplace_back("begins"); }
  bool turn(Goal&, const std::optional<Clock::time_point>&) noexcept override {
    notes.emplace_back("turn");
    if (during_turn) std::exchange(during_turn, nullptr)();
    return turns_left-- > 0;
  }
  void end_turns() noexcept override {
    notes.emplace_back("ends");
    ++ends;
  }
  void interrupt() noexcept override { ++interrupts; }
  void submit() {
    mailbox.post_work([](WorkId work) { return SubmitWork{PoolId{0}, work, {}, {}}; });
  }
  void fall_asleep() {
    ASSERT_TRUE(mailbox.prepare_sleep());
    mailbox.lend_engine(*this);
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
  std::vector<std::string> notes;
  std::function<void()> during_turn;
  int turns_left = 1000;
  std::atomic<int> interrupts{0};
  std::atomic<int> ends{0};
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
  mailbox.take_engine_back();
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
  mailbox.take_engine_back();
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
        mailbox.lend_engine(*this);
        // It also wakes up for other reasons.
        const timespec moment{0, 20'000};
        ::ppoll(&fd, 1, &moment, nullptr);
        mailbox.take_engine_back();
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

/// Reached once so many turns were taken; or when somebody says so.
struct Wish final : StandIn::Goal {
  bool reached() override { return there || (looks != 0 && looks-- == 1); }
  [[nodiscard]] bool gives_way() const override { return modest; }
  bool modest = false;
  std::atomic<bool> there{false};
  int looks = 0;
};

TEST_F(InlineDispatch, and_all_other_work_of_an_engine_that_sleeps_is_done_by_who_waits_until_its_goal_is_reached) {
  fall_asleep();
  Wish wish;
  wish.looks = 3;
  mailbox.stand_in_until(wish, std::nullopt);
  EXPECT_THAT(notes, ElementsAre("begins", "turn", "turn", "ends"));
  EXPECT_FALSE(mailbox.stood_in_for());
}

TEST_F(InlineDispatch, is_ended_when_the_engine_is_needed) {
  fall_asleep();
  Wish wish;
  turns_left = 1;
  mailbox.stand_in_until(wish, std::nullopt);
  EXPECT_THAT(notes, ElementsAre("begins", "turn", "turn", "ends"));
}

TEST_F(InlineDispatch, is_left_to_the_engine_that_wants_its_work_back) {
  fall_asleep();
  Wish wish;
  std::thread engine;
  during_turn = [&] {
    EXPECT_TRUE(mailbox.stood_in_for());
    EXPECT_TRUE(mailbox.prepare_rest());
    engine = std::thread([&] { mailbox.take_engine_back(); });
    while (interrupts == 0) std::this_thread::yield();
    EXPECT_FALSE(mailbox.prepare_rest()) << "it is not to sleep while the engine waits";
  };
  mailbox.stand_in_until(wish, std::nullopt);
  engine.join();
  EXPECT_THAT(notes, ElementsAre("begins", "turn", "ends"));
  mailbox.stand_in_until(wish, std::nullopt);
  EXPECT_THAT(notes, ::testing::SizeIs(3)) << "it is awake";
}

TEST_F(InlineDispatch, is_left_by_who_waits_for_callbacks_to_who_waits_for_a_result) {
  fall_asleep();
  Wish callback;
  callback.modest = true;
  std::thread waits;
  during_turn = [&] {
    Wish other;
    other.modest = true;
    mailbox.stand_in_until(other, std::nullopt);
    EXPECT_TRUE(mailbox.prepare_rest()) << "another that gives way changes nothing";
    waits = std::thread([&] {
      Wish result;
      while (ends < 2) mailbox.stand_in_until(result, std::nullopt);
    });
    while (interrupts == 0) std::this_thread::yield();
    EXPECT_FALSE(mailbox.prepare_rest()) << "it is not to sleep while the other waits";
    ASSERT_TRUE(mailbox.prepare_sleep());  // as the true one does when its turns end
    turns_left = 1;
  };
  mailbox.stand_in_until(callback, std::nullopt);
  waits.join();
  EXPECT_THAT(notes, ElementsAre("begins", "turn", "ends", "begins", "turn", "ends"));
}

TEST_F(InlineDispatch, is_not_left_by_who_waits_for_a_result) {
  fall_asleep();
  Wish wish;
  during_turn = [&] {
    std::thread([&] {
      Wish other;
      mailbox.stand_in_until(other, std::nullopt);
    }).join();
    EXPECT_EQ(interrupts, 0);
    EXPECT_TRUE(mailbox.prepare_rest());
    wish.there = true;
  };
  mailbox.stand_in_until(wish, std::nullopt);
  EXPECT_THAT(notes, ElementsAre("begins", "turn", "ends"));
}

TEST_F(InlineDispatch, a_post_interrupts_who_rests_in_the_engines_place_and_leaves_the_engine_asleep) {
  fall_asleep();
  Wish wish;
  during_turn = [&] {
    EXPECT_TRUE(mailbox.prepare_rest());
    std::thread([&] { submit(); }).join();
    EXPECT_EQ(interrupts, 1);
    EXPECT_FALSE(mailbox.empty());
    EXPECT_FALSE(mailbox.prepare_rest()) << "there is something to take";
    mailbox.rested();
    EXPECT_THAT(taken(), ElementsAre(1));
    std::thread([&] { submit(); }).join();
    EXPECT_EQ(interrupts, 1) << "it is awake";
    EXPECT_THAT(taken(), ElementsAre(2));
    wish.there = true;
  };
  mailbox.stand_in_until(wish, std::nullopt);
  EXPECT_THAT(done, IsEmpty());
  EXPECT_FALSE(rung());
}

TEST_F(InlineDispatch, is_waited_for_a_moment_and_then_not_for_a_while_where_the_engine_stays_awake) {
  Wish wish;
  const auto begin = StandIn::Clock::now();
  EXPECT_FALSE(mailbox.has_volunteer(begin));
  mailbox.stand_in_until(wish, std::nullopt);
  EXPECT_GE(StandIn::Clock::now() - begin, pace::kVolunteer);
  EXPECT_TRUE(mailbox.has_volunteer(begin)) << "the engine is to sleep when it has nothing to do";
  EXPECT_FALSE(mailbox.has_volunteer(begin + std::chrono::seconds(1)));
  EXPECT_THAT(notes, IsEmpty());
}

TEST_F(InlineDispatch, begins_when_the_engine_falls_asleep_for_it) {
  Wish wish;
  std::thread waits([&] {
    while (notes.empty()) mailbox.stand_in_until(wish, std::nullopt);
  });
  const auto enough = StandIn::Clock::now() + std::chrono::seconds(10);
  while (!mailbox.has_volunteer(StandIn::Clock::now()) && StandIn::Clock::now() < enough) std::this_thread::yield();
  turns_left = 0;
  fall_asleep();
  waits.join();
  EXPECT_THAT(notes, ElementsAre("begins", "turn", "ends"));
}

}  // namespace
}  // namespace rankpool::engine
