// The work whose instructions bench/guard counts: --what=NAME does one kind of it, --times= times, inside `guarded`.
// All in one thread, the same steps in each run.
#include "made_up_ranks.hpp"
#include "measure.hpp"
#include "scheduler_load.hpp"

#include "engine/mailbox.hpp"
#include "engine/pool_commands.hpp"

#include <rankpool/detail/submit.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// The valgrind tool counts from its beginning to its end, by its name.
extern "C" void guarded(const std::function<void()>& work) { work(); }

namespace {

/// So that no compiler makes copies of it, under other names, for those who call it.
void (*volatile call_guarded)(const std::function<void()>& work) = &guarded;

using namespace rankpool;
using detail::Bytes;

long increment(long x) { return x + 1; }

/// Takes submissions as the engine's pool does, into a mailbox that nobody empties meanwhile.
class MadeUpPool final : public detail::PoolClient {
 public:
  explicit MadeUpPool(engine::Mailbox& mailbox) : mailbox_(mailbox) {}
  void check_open() override {
    mailbox_.locked([&] { engine::pool::check_intake(state_); });
  }
  void submit(detail::Ref<detail::ResultReceiver> receiver) override {
    mailbox_.post_work([&](WorkId work) {
      engine::pool::check_intake(state_);
      return engine::SubmitWork{PoolId{0}, work, std::move(receiver), schedule::WorkSpec{}};
    });
  }
  std::shared_ptr<detail::WorkControl> submit(detail::Ref<detail::ResultReceiver> /*receiver*/,
                                              const detail::WorkOptions& /*options*/) override {
    return nullptr;
  }
  void close(bool /*cancel_pending*/) override {}
  void stop(int /*signal*/) override {}
  void wait_ended() override {}
  void wait_ready() override {}
  [[nodiscard]] int workers_alive() const override { return 0; }
  [[nodiscard]] Insights insights() const override { return {}; }
  [[nodiscard]] int max_workers() const override { return 1; }

 private:
  engine::Mailbox& mailbox_;
  engine::PoolState state_;
};

/// A submission in the user's thread, and a task on rank 0's engine thread from the mailbox to the future's result.
class Submissions {
 public:
  Submissions() { bench::open_pool(dispatcher_, port_, 1, 2); }
  void submit() { futures_.push_back(detail::submit_task(pool_, nullptr, &increment, 1L)); }
  /// All that was submitted, one task after the other.
  void finish() {
    mailbox_.take(commands_);
    for (engine::Command& command : commands_) dispatcher_.handle(command);
    commands_.clear();
    dispatcher_.carry_out();
    while (!running_.empty()) {
      const bench::Running one = running_.front();  // a worker ends its chunks in their order
      running_.erase(running_.begin());
      wire::OutcomeHeader outcome;
      outcome.kind = wire::FrameKind::values;
      outcome.items = 1;
      outcome.chunk = one.chunk;
      outcome.size = sizeof result_;
      outcome.last = true;
      outcome.busy = std::chrono::milliseconds(1);
      const wire::FrameHeader header = outcome.frame();
      dispatcher_.worker_output(one.worker, std::as_bytes(std::span(&header, 1)));
      dispatcher_.worker_output(one.worker, std::as_bytes(std::span(&result_, 1)));
      dispatcher_.carry_out();
    }
    for (const Future<long>& future : futures_) {
      if (future.result() != result_) std::abort();
    }
    futures_.clear();
  }

 private:
  engine::Mailbox mailbox_;
  MadeUpPool pool_{mailbox_};
  std::vector<bench::Running> running_;
  bench::Port port_{running_};
  engine::Roster roster_;
  engine::Dispatcher dispatcher_{roster_};
  std::vector<engine::Command> commands_;
  std::vector<Future<long>> futures_;
  static constexpr long result_ = 2;
};

/// Chunks of 1,000 on rank 0: decided, written, their results read.
class ChunksOnRankZero {
 public:
  explicit ChunksOnRankZero(std::uint64_t chunks) {
    bench::open_pool(dispatcher_, port_, 1, 2);
    schedule::WorkSpec spec;
    spec.chunk = kItems;
    spec.items = kItems * chunks;
    engine::Command submit =
        engine::SubmitWork{PoolId{0}, WorkId{0}, detail::Ref<detail::ResultReceiver>(new bench::Longs), spec};
    dispatcher_.handle(submit);
    dispatcher_.carry_out();
  }
  void finish_one() {
    const bench::Running one = running_.front();
    running_.erase(running_.begin());
    dispatcher_.worker_output(one.worker, bench::results_of(one, kItems, true).view());
    dispatcher_.carry_out();
  }
  static constexpr std::uint32_t kItems = 1000;

 private:
  std::vector<bench::Running> running_;
  bench::Port port_{running_};
  engine::Roster roster_;
  engine::Dispatcher dispatcher_{roster_};
};

/// A chunk in a worker, whose results go to memory that is nobody's.
class MadeUpContext final : public detail::TaskContext {
 public:
  MadeUpContext() {
    progress_ = &counter_;
    cursor_ = results_.data();
    limit_ = results_.data() + results_.size();
    element_size_ = sizeof(long);
  }
  void run(std::span<const std::byte> callable, std::span<const std::byte> items, std::uint32_t count) {
    detail::Input input(items);
    callable_ = callable;
    input_ = &input;
    count_ = count;
    cursor_ = results_.data();
    detail::Task<long (*)(long), long>::invoke_chunk(*this);
  }
  void end_with_encoded(std::span<const std::byte> /*first*/, std::span<const std::byte> /*second*/) override {}
  void end_with_current_exception() override { std::abort(); }
  void end_skipped() override {}

 private:
  void end_with_value_slowly(const void* /*value*/, std::size_t /*size*/) override { std::abort(); }
  void check_flush() noexcept override { until_flush_check_ = 256; }
  void announce_item() noexcept override {}

  std::atomic<std::uint64_t> counter_{0};
  std::array<std::byte, 8192> results_{};
};

/// `work` comes once to warm up, and then is guarded.
void guard(std::uint64_t times, const std::function<void()>& work) {
  work();
  call_guarded([&] {
    for (std::uint64_t i = 0; i < times; ++i) work();
  });
}

void submit(std::uint64_t times) {
  Submissions submissions;
  for (std::uint64_t i = 0; i < times; ++i) submissions.submit();
  submissions.finish();
  call_guarded([&] {
    for (std::uint64_t i = 0; i < times; ++i) submissions.submit();
  });
  submissions.finish();
}
void task(std::uint64_t times) {
  Submissions submissions;
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t i = 0; i < times; ++i) submissions.submit();
    if (round == 0) {
      submissions.finish();
    } else {
      call_guarded([&] { submissions.finish(); });
    }
  }
}
void chunk(std::uint64_t times) {
  ChunksOnRankZero chunks(times + 10);
  guard(times, [&] { chunks.finish_one(); });
}
void chunk_in_worker(std::uint64_t times) {
  Bytes head;
  detail::Task<long (*)(long), long>::encode_head(head, &increment);
  const auto callable = head.view().subspan(sizeof(detail::CodeRef));
  const std::vector<long> items(1000, 1);
  MadeUpContext context;
  guard(times, [&] { context.run(callable, std::as_bytes(std::span(items)), 1000); });
}
void decision(std::uint64_t times) {
  bench::Load load(10, 1280, times, false);
  load.run(std::chrono::nanoseconds{20'000'000}, times);
  call_guarded([&] { load.run(std::chrono::nanoseconds{20'000'000}, times); });
}

std::vector<std::string> thousand_strings() {
  std::vector<std::string> strings;
  for (int i = 0; i < 1000; ++i) strings.push_back("a string of some length, number " + std::to_string(i));
  return strings;
}
void encode_strings(std::uint64_t times) {
  const auto strings = thousand_strings();
  guard(times, [&] {
    Bytes bytes;
    detail::encode(bytes, strings);
  });
}
void decode_strings(std::uint64_t times) {
  const auto strings = thousand_strings();
  Bytes bytes;
  detail::encode(bytes, strings);
  guard(times, [&] {
    if (detail::decode<std::vector<std::string>>(bytes.view()).size() != strings.size()) std::abort();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)(std::uint64_t)> kinds{{"submit", &submit},
                                                             {"task", &task},
                                                             {"chunk", &chunk},
                                                             {"chunk_in_worker", &chunk_in_worker},
                                                             {"decision", &decision},
                                                             {"encode_strings", &encode_strings},
                                                             {"decode_strings", &decode_strings}};
  const auto kind = kinds.find(bench::text_option(argc, argv, "what", ""));
  if (kind == kinds.end()) {
    std::cerr << "--what= is none of the kinds of work\n";
    return 2;
  }
  kind->second(static_cast<std::uint64_t>(bench::option(argc, argv, "times", 100)));
}
