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
class Seat : public ::testing::Test, protected StandIn {
 protected:
  bool takes(const SubmitWork&) override { return willing; }
  channel::Bell serve(Command& command) noexcept override {
    done.push_back(raw(std::get<SubmitWork>(command).work));
    return {};
  }
  void submit() {
    mailbox.post_work([](WorkId work) { return SubmitWork{PoolId{0}, work, {}, {}}; });
  }
  void fall_asleep() {
    ASSERT_TRUE(mailbox.prepare_sleep());
    mailbox.leave_seat(*this);
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

TEST_F(Seat, OfAnEngineThatSleepsIsTakenByWhoSubmitsAndItSleepsOn) {
  fall_asleep();
  submit();
  submit();
  EXPECT_THAT(done, ElementsAre(1, 2));
  EXPECT_TRUE(mailbox.empty());
  EXPECT_FALSE(rung());
}

TEST_F(Seat, OfAnEngineThatIsAwakeIsTakenByNobody) {
  submit();
  ASSERT_FALSE(mailbox.prepare_sleep());
  submit();  // it is about to sleep
  mailbox.take_back_seat();
  mailbox.awake(true);
  submit();
  EXPECT_THAT(done, IsEmpty());
  EXPECT_THAT(taken(), ElementsAre(1, 2, 3));
}

TEST_F(Seat, IsNotTakenForWhatOnlyTheEngineCanDo) {
  willing = false;
  fall_asleep();
  submit();
  EXPECT_TRUE(rung());
  EXPECT_THAT(done, IsEmpty());
  EXPECT_THAT(taken(), ElementsAre(1));
}

TEST_F(Seat, IsNotTakenBeforeWhatIsPostedAlready) {
  fall_asleep();
  mailbox.post(SubmitWork{PoolId{0}, WorkId{100}, {}, {}});
  submit();
  EXPECT_THAT(done, IsEmpty());
  EXPECT_THAT(taken(), ElementsAre(100, 1));
}

TEST_F(Seat, IsNotTakenOnceItIsTakenBack) {
  fall_asleep();
  mailbox.take_back_seat();
  submit();
  EXPECT_THAT(done, IsEmpty());
  EXPECT_TRUE(rung());
}

TEST_F(Seat, IsLeftToOneAtATimeAndEverythingIsDoneInItsTurn) {
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
        mailbox.leave_seat(*this);
        // It also wakes up for other reasons.
        const timespec moment{0, 20'000};
        ::ppoll(&fd, 1, &moment, nullptr);
        mailbox.take_back_seat();
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
