#include "tools/escalation.hpp"
#include "tools/verdict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace rankpool::tools {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Clock::time_point kStart = Clock::time_point(1000s);

TEST(Escalation, hands_each_signal_on_once) {
  Escalation escalation({});
  for (const int signal : {SIGUSR1, SIGUSR2, SIGUSR1, SIGTERM, SIGINT, SIGHUP}) {
    EXPECT_THAT(escalation.on_signal(signal, Sender::process, kStart), ElementsAre(signal));
  }
}

TEST(Escalation, does_not_repeat_what_the_terminal_has_told_the_launcher) {
  Escalation escalation({});
  EXPECT_THAT(escalation.on_signal(SIGINT, Sender::terminal, kStart), IsEmpty());
  EXPECT_EQ(escalation.asked_to_end(), SIGINT);
  EXPECT_THAT(escalation.on_signal(SIGINT, Sender::terminal, kStart), ElementsAre(SIGTERM));
}

TEST(Escalation, a_second_interrupt_terminates_and_then_kills) {
  Escalation escalation({});
  EXPECT_THAT(escalation.on_signal(SIGINT, Sender::process, kStart), ElementsAre(SIGINT));
  EXPECT_EQ(escalation.next(), std::nullopt);
  EXPECT_THAT(escalation.on_signal(SIGINT, Sender::process, kStart), ElementsAre(SIGTERM));
  EXPECT_EQ(escalation.next(), kStart + 2s);
  EXPECT_THAT(escalation.due(kStart + 1999ms), IsEmpty());
  EXPECT_THAT(escalation.due(kStart + 2s), ElementsAre(SIGKILL));
  EXPECT_EQ(escalation.next(), std::nullopt);
}

TEST(Escalation, a_third_interrupt_kills_at_once) {
  Escalation escalation({});
  escalation.on_signal(SIGINT, Sender::process, kStart);
  escalation.on_signal(SIGINT, Sender::process, kStart);
  EXPECT_THAT(escalation.on_signal(SIGINT, Sender::process, kStart), ElementsAre(SIGKILL));
}

TEST(Escalation, after_rank_0_the_launcher_has_some_seconds_to_end) {
  Escalation escalation({.after_rank_0 = 5s, .after_term = 2s, .after_users_term = {}});
  escalation.on_rank_0_ended(kStart);
  escalation.on_rank_0_ended(kStart + 3s);  // said again, it changes nothing
  EXPECT_EQ(escalation.next(), kStart + 5s);
  EXPECT_THAT(escalation.due(kStart + 5s), ElementsAre(SIGTERM));
  EXPECT_THAT(escalation.due(kStart + 6s), IsEmpty());
  EXPECT_THAT(escalation.due(kStart + 7s), ElementsAre(SIGKILL));
  EXPECT_EQ(escalation.asked_to_end(), std::nullopt);
}

TEST(Escalation, a_users_term_kills_later_only_where_that_is_wanted) {
  Escalation patient({});
  patient.on_signal(SIGTERM, Sender::process, kStart);
  EXPECT_EQ(patient.next(), std::nullopt);
  patient.on_signal(SIGTERM, Sender::process, kStart + 1s);
  EXPECT_EQ(patient.next(), kStart + 3s);
  Escalation impatient({.after_users_term = 10s});
  impatient.on_signal(SIGTERM, Sender::process, kStart);
  EXPECT_THAT(impatient.due(kStart + 10s), ElementsAre(SIGKILL));
}

Plan plan_of(Plan::Zero zero) {
  Plan plan;
  plan.command = {"mpirun"};
  plan.zero = zero;
  plan.advice_on_no_start = "ADVICE";
  return plan;
}
constexpr int exited(int code) { return code << 8; }

TEST(Verdict, is_what_rank_0_reported_whatever_the_launcher_says) {
  RankZeroNews news;
  news.began = true;
  for (const int launcher : {exited(0), exited(137), static_cast<int>(SIGKILL)}) {
    news.wait_status = exited(7);
    EXPECT_EQ(judge_ending(plan_of(Plan::Zero::doubted), news, launcher, {}).status, 7);
    news.wait_status = SIGSEGV;
    EXPECT_EQ(judge_ending(plan_of(Plan::Zero::doubted), news, launcher, {}).status, 139);
    news.wait_status = exited(0);
    const Verdict verdict = judge_ending(plan_of(Plan::Zero::doubted), news, launcher, {});
    EXPECT_EQ(verdict.status, 0);
    EXPECT_EQ(verdict.text, "");
  }
}

TEST(Verdict, without_a_report_is_the_launchers_and_explained) {
  const Verdict failed = judge_ending(plan_of(Plan::Zero::doubted), {}, exited(3), {});
  EXPECT_EQ(failed.status, 3);
  EXPECT_EQ(failed.text,
            "mpirun ended with exit code 3 and rank 0 did not report. What mpirun has to say stands above. ADVICE");
  const Verdict killed = judge_ending(plan_of(Plan::Zero::doubted), {}, SIGKILL, {});
  EXPECT_EQ(killed.status, 137);
  EXPECT_THAT(killed.text, HasSubstr("mpirun ended by SIGKILL"));
}

TEST(Verdict, a_zero_that_means_nothing_is_no_success) {
  const Verdict verdict = judge_ending(plan_of(Plan::Zero::doubted), {}, exited(0), {});
  EXPECT_EQ(verdict.status, 1);
  EXPECT_THAT(verdict.text, HasSubstr("Is this a rankpool program"));
  EXPECT_EQ(judge_ending(plan_of(Plan::Zero::believed), {}, exited(0), {}).status, 0);
}

TEST(Verdict, a_lost_rank_0_is_never_a_success) {
  RankZeroNews news;
  news.began = true;
  news.lost = "connection closed";
  const Verdict verdict = judge_ending(plan_of(Plan::Zero::believed), news, exited(0), {});
  EXPECT_EQ(verdict.status, 137);
  EXPECT_THAT(verdict.text, HasSubstr("rank 0 is lost"));
  EXPECT_EQ(judge_ending(plan_of(Plan::Zero::believed), news, exited(205), {}).status, 205);
}

TEST(Verdict, what_the_user_has_interrupted_needs_no_words) {
  const Verdict verdict = judge_ending(plan_of(Plan::Zero::doubted), {}, exited(1), SIGTERM);
  EXPECT_EQ(verdict.status, 143);
  EXPECT_EQ(verdict.text, "");
  EXPECT_EQ(judge_ending(plan_of(Plan::Zero::doubted), {}, exited(0), SIGINT).status, 130);
}

}  // namespace
}  // namespace rankpool::tools
