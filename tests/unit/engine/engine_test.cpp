#include "engine/engine.hpp"

#include "engine/pool_commands.hpp"
#include "unit/engine/fake_agent.hpp"
#include "unit/engine/fakes.hpp"
#include "unit/host/hosted.hpp"

#include <sys/mman.h>
#include <atomic>
#include <csignal>

namespace rankpool::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// An engine with a real keeper, whose workers do nothing, and, if the test wants, other ranks that are made up.
class Engines : public ::testing::Test {
 protected:
  void SetUp() override {
    births = static_cast<std::atomic<int>*>(
        ::mmap(nullptr, sizeof *births, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(static_cast<void*>(births), MAP_FAILED);
    keeper.emplace([this](channel::Channel, channel::RankPage*, int) {
      ++*births;
      keeper::sleep_for_ever();
    });
    page = &keeper->link->page();
    options.own.facts.host = "here";
    options.own.allowance.limit = 1;
    options.own.allowance.cores = {0};
    options.host = std::make_unique<host::WorkerHost>(std::move(keeper->link));
    options.disconnect = [this](bool rank_lost) { left = rank_lost; };
  }
  void TearDown() override {
    if (engine) engine->end();
    engine.reset();
    ::munmap(births, sizeof *births);
  }
  void await_worker() const {
    ASSERT_TRUE(test::until([&] { return births->load() != 0; }, 10s));
  }
  void start() { engine.emplace(std::move(options)); }
  std::shared_ptr<PoolState> open(bool close_on_stop = false) {
    auto state = std::make_shared<PoolState>();
    state->id = PoolId{next_pool++};
    state->max_workers = 1;
    state->close_on_stop = close_on_stop;
    engine->mailbox().post(OpenPool{state, {}});
    return state;
  }
  void submit(PoolState& pool) {
    receiver = detail::Ref<FakeReceiver>(new FakeReceiver(notes));
    engine->mailbox().post_work([&](WorkId work) { return SubmitWork{pool.id, work, receiver, {}}; });
  }
  static bool ends(PoolState& pool) {
    std::unique_lock lock(pool.mutex);
    return pool.changed.wait_for(lock, 10s, [&] { return pool.ended; });
  }
  void end() {
    engine->end();
    engine.reset();
  }

  std::atomic<int>* births = nullptr;  ///< shared with the workers, each of which counts itself when it begins
  std::optional<keeper::KeeperProcess> keeper;
  channel::RankPage* page = nullptr;
  EngineOptions options;
  std::optional<Engine> engine;
  std::optional<bool> left;  ///< whether it left as after a loss, once it has
  std::uint32_t next_pool = 0;
  std::vector<std::string> notes;
  detail::Ref<FakeReceiver> receiver;
};

TEST_F(Engines, alone_it_is_assembled_at_once_and_leaves_in_order) {
  start();
  engine->wait_assembled();
  EXPECT_EQ(engine->roster().ranks().size(), 1U);
  end();
  EXPECT_EQ(left, false);
}

TEST_F(Engines, a_connection_that_fails_is_told_to_who_waits_for_the_ranks) {
  options.connect = []() -> transport::Transport* { throw std::runtime_error("no fabric"); };
  start();
  try {
    engine->wait_assembled();
    FAIL() << "it is assembled";
  } catch (const std::runtime_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("no fabric"));
  }
  end();
  EXPECT_EQ(left, std::nullopt) << "MPI was never there";
}

TEST_F(Engines, without_its_keeper_it_fails_what_is_pending_and_what_comes_until_the_job_ends) {
  start();
  engine->wait_assembled();
  const auto pool = open();
  submit(*pool);
  await_worker();
  ::kill(keeper->pid(), SIGKILL);
  EXPECT_TRUE(ends(*pool));
  EXPECT_THAT(pool->why_broken()->text, HasSubstr("keeper process"));
  const auto late = open();
  EXPECT_TRUE(ends(*late));
  EXPECT_THAT(late->why_broken()->text, HasSubstr("keeper process"));
  end();
  EXPECT_THAT(notes, ElementsAre("0+18446744073709551615 failed"));
}

TEST_F(Engines, told_to_end_it_breaks_what_is_pending_and_leaves_as_after_a_loss) {
  start();
  engine->wait_assembled();
  const auto pool = open();
  submit(*pool);
  engine->ask_to_stop(SIGTERM, true);
  EXPECT_TRUE(ends(*pool));
  EXPECT_THAT(pool->why_broken()->text, HasSubstr("told to end by SIGTERM"));
  end();  // the program is quicker than the grace
  EXPECT_EQ(left, true);
}

TEST_F(Engines, asked_to_stop_it_tells_workers_and_closes_the_pools_that_want_it) {
  start();
  engine->wait_assembled();
  const auto keeps_on = open(false);
  const auto closes = open(true);
  submit(*closes);
  engine->ask_to_stop(SIGTERM, false);
  EXPECT_TRUE(test::until([&] { return page->stop_requested.load() != 0; }, 10s));
  EXPECT_TRUE(
      test::until([&] { return engine->mailbox().locked([&] { return closes->intake == Intake::closed; }); }, 10s));
  EXPECT_TRUE(engine->mailbox().locked([&] { return keeps_on->intake == Intake::open; }));
  for (const auto& pool : {keeps_on, closes}) {
    pool::stop(engine->mailbox(), *pool, SIGKILL);
    EXPECT_TRUE(ends(*pool));
  }
  EXPECT_THAT(notes, ElementsAre("0 cancelled"));
}

TEST_F(Engines, a_call_of_the_shared_state_that_comes_after_the_end_is_answered) {
  start();
  engine->wait_assembled();
  auto& mailbox = engine->mailbox();
  mailbox.post(EndJob{});
  auto caller = std::make_shared<SharedCaller>(detail::Bytes());
  if (!mailbox.post_if_open(CallShared{caller})) caller->fail("nobody is left");
  EXPECT_EQ(static_cast<wire::SharedStatus>(caller->wait().data()[0]), wire::SharedStatus::error);
  end();
}

TEST_F(Engines, with_another_rank_it_is_assembled_when_that_has_joined_and_dismisses_it) {
  test::LoopNetwork network(2);
  const auto transport = network.transport(Rank{0});
  options.connect = [&] { return transport.get(); };
  start();
  FakeAgent agent(network, Rank{1});
  ASSERT_TRUE(test::until(
      [&] {
        try {
          agent.accept();
          return true;
        } catch (const std::runtime_error&) {
          return false;
        }
      },
      10s));
  agent.greet(0);
  agent.lifeline->ring();
  engine->wait_assembled();
  EXPECT_EQ(engine->roster().ranks().size(), 2U);
  const auto pool = open();
  agent.lifeline.reset();
  EXPECT_TRUE(test::until([&] { return !engine->roster().ranks()[1].alive; }, 10s));
  pool::stop(engine->mailbox(), *pool, SIGKILL);
  EXPECT_TRUE(ends(*pool));
  end();
  EXPECT_EQ(left, true);
}

}  // namespace
}  // namespace rankpool::engine
