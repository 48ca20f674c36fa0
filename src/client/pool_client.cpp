#include <rankpool/detail/pool_client.hpp>

#include "base/forked_copy.hpp"
#include "base/node_memory.hpp"
#include "client/job.hpp"
#include "codec/task_name.hpp"
#include "engine/pool_commands.hpp"
#include "group/pmix_library.hpp"

#include <rankpool/errors.hpp>
#include <rankpool/run.hpp>

#include <algorithm>
#include <future>
#include <span>
#include <string_view>

namespace rankpool::inline v0_2::detail {
namespace {

using client::Job;
using engine::Command;
using engine::PoolState;

/// A chunk that the library chooses is kept to about this many bytes of arguments.
constexpr std::size_t kChunkBytes = std::size_t{1} << 20U;
constexpr std::size_t kChunkItems = std::size_t{1} << 16U;

/// The dispatcher tells the tally a name that the user gave, or else code reference and callable, which are no text.
std::string name_in_tally(std::string_view task) {
  const bool text = std::none_of(task.begin(), task.end(), [](char c) { return c == '\0'; });
  const std::string name = text ? std::string(task) : codec::name_of_task(std::as_bytes(std::span(task)));
  return name.empty() ? "task" : name;
}

Insights insights_of(const watch::Tally& tally) { return tally.insights(watch::Observer::now(), &name_in_tally); }

class WorkHandle final : public WorkControl {
 public:
  WorkHandle(std::shared_ptr<Job> job, WorkId work, bool shown) : job_(std::move(job)), work_(work), shown_(shown) {}
  void extend(std::uint64_t more) override { post(engine::ExtendWork{work_, more}); }
  void seal() override { post(engine::SealWork{work_}); }
  void cancel() override { post(engine::CancelWork{work_}); }
  void await_last_line() override {
    if (shown_ && !base::is_forked_copy()) job_->watching().await_last_line(work_);
  }

 private:
  void post(Command command) {
    if (!base::is_forked_copy()) job_->engine().mailbox().post(std::move(command));
  }
  std::shared_ptr<Job> job_;
  WorkId work_;
  bool shown_;  ///< its progress
};

class EnginePoolClient final : public PoolClient {
 public:
  EnginePoolClient(std::shared_ptr<Job> job, std::shared_ptr<PoolState> state)
      : job_(std::move(job)), state_(std::move(state)) {}

  void check_open() override {
    refuse_copies();
    mailbox().locked([&] { engine::pool::check_intake(*state_); });
  }
  void submit(Ref<ResultReceiver> receiver) override { post(std::move(receiver), schedule::WorkSpec{}, nullptr); }
  std::shared_ptr<WorkControl> submit(Ref<ResultReceiver> receiver, const WorkOptions& options) override {
    if (options.ranks > 0) check_ranks(options.ranks);
    if (options.task_timeout && state_->mp_context == MpContext::in_rank) {
      throw std::invalid_argument(
          "MpContext::in_rank: there is no task_timeout, since a task could only be ended with its rank");
    }
    schedule::WorkSpec spec;
    spec.ranks = static_cast<std::uint32_t>(options.ranks);
    spec.priority = options.priority;
    spec.max_retries = options.max_retries;
    spec.task_timeout = options.task_timeout;
    if (options.memory) spec.memory = memory_of_process(*options.memory, static_cast<std::uint64_t>(options.ranks));
    if (!options.avoid_ranks.empty()) spec.avoid = avoided(options);
    spec.items = options.items;
    spec.open = options.open;
    spec.chunk = options.chunk;
    spec.max_chunk = static_cast<std::uint32_t>(
        std::clamp<std::size_t>(kChunkBytes / std::max<std::size_t>(options.item_bytes, 1), 1, kChunkItems));
    const bool shown = options.label && options.label->progress && job_->watching().want_progress(mailbox());
    const WorkId work = post(std::move(receiver), spec, options.label);
    return std::make_shared<WorkHandle>(job_, work, shown);
  }

  // A forked copy of the program leaves the pool to the original, also where it leaves the pool's scope.
  void close(bool cancel_pending) override {
    if (!base::is_forked_copy()) engine::pool::close(mailbox(), *state_, cancel_pending);
  }
  void stop(int signal) override {
    if (!base::is_forked_copy()) engine::pool::stop(mailbox(), *state_, signal);
  }
  void wait_ended() override {
    if (!base::is_forked_copy()) client::pool::wait_ended(job_->engine(), *state_);
  }
  void wait_ready() override {
    refuse_copies();
    client::pool::wait_ready(mailbox(), *state_);
  }
  int workers_alive() const override {
    if (base::is_forked_copy()) return 0;
    // The user's own closing shows at once, not when the engine gets to it.
    const bool open = job_->engine().mailbox().locked([&] { return state_->intake == engine::Intake::open; });
    return open ? state_->alive.load() : 0;
  }
  int max_workers() const override { return state_->max_workers; }
  Insights insights() const override {
    refuse_copies();
    auto answer = std::make_shared<std::promise<watch::Tally>>();
    auto tally = answer->get_future();
    if (job_->engine().mailbox().post_if_open(engine::AskTally{state_, std::move(answer)})) {
      try {
        return insights_of(tally.get());
      } catch (const std::future_error&) {  // the engine ended before it came to it
      }
    }
    return insights_of(state_->tally);
  }

 private:
  void check_ranks(int ranks) const {
    if (state_->mp_context == MpContext::in_rank) {
      throw Error("tasks of several ranks need workers of their own: MpContext::in_rank has none");
    }
    if (ranks > state_->max_workers) {
      throw std::invalid_argument("a task asks for " + std::to_string(ranks) + " ranks, and its executor has only " +
                                  std::to_string(state_->max_workers) + " workers");
    }
    static const std::string trouble = group::trouble();
    if (!trouble.empty()) throw Error("tasks of several ranks cannot run here: " + trouble);
  }
  /// What each process of a task needs: refused if the job has not so much for all of them.
  [[nodiscard]] std::uint64_t memory_of_process(std::uint64_t memory, std::uint64_t ranks) const {
    const std::uint64_t processes = std::max<std::uint64_t>(ranks, 1);
    const std::uint64_t each = memory / processes + (memory % processes == 0 ? 0 : 1);
    std::uint64_t places = 0;
    std::uint64_t largest = 0;
    std::uint64_t together = 0;
    const auto nodes = job_->engine().roster().memory_of_nodes();
    for (const std::uint64_t node : nodes) {
      if (node == 0) return each;  // it is not known how much that has
      places += node / each;
      largest = std::max(largest, node);
      together += node;
    }
    if (places >= processes || nodes.empty()) return each;
    throw std::invalid_argument("a task asks for " + base::bytes_text(memory) + " of memory, and " +
                                (processes == 1
                                     ? "no node of the job has more than " + base::bytes_text(largest)
                                     : "the nodes of the job have " + base::bytes_text(together) + " for its " +
                                           std::to_string(processes) + " processes, of which each is on one node"));
  }
  static std::shared_ptr<const std::vector<Rank>> avoided(const WorkOptions& options) {
    if (options.ranks > 0) throw std::invalid_argument("avoid_ranks is not for tasks of several ranks");
    std::vector<Rank> ranks;
    for (const int rank : options.avoid_ranks) ranks.push_back(Rank{rank});
    return std::make_shared<const std::vector<Rank>>(std::move(ranks));
  }
  [[nodiscard]] engine::Mailbox& mailbox() { return job_->engine().mailbox(); }
  static void refuse_copies() {
    if (base::is_forked_copy()) throw Error(base::copy_complaint("an executor or pool"));
  }
  WorkId post(Ref<ResultReceiver> receiver, const schedule::WorkSpec& spec, std::shared_ptr<const WorkLabel> label) {
    refuse_copies();
    return mailbox().post_work([&](WorkId work) {
      engine::pool::check_intake(*state_);
      return engine::SubmitWork{state_->id, work, std::move(receiver), spec, std::move(label)};
    });
  }

  std::shared_ptr<Job> job_;
  std::shared_ptr<PoolState> state_;
};

}  // namespace

std::shared_ptr<PoolClient> PoolClient::open(PoolConfig config) {
  if (in_worker()) throw Error("pools cannot be used inside a task");
  if (base::is_forked_copy()) throw Error(base::copy_complaint("an executor or pool"));
  auto job = Job::current();
  if (!job) {
    throw Error(
        "an executor or pool was made outside of rankpool::run(): call it first thing in main(), and make pools in the "
        "function given to it");
  }
  auto state = job->open_pool(std::move(config));
  return std::make_shared<EnginePoolClient>(std::move(job), std::move(state));
}

}  // namespace rankpool::inline v0_2::detail

namespace rankpool::inline v0_2 {

std::vector<RankInfo> ranks() {
  const auto job = client::Job::current();
  if (!job) throw Error("rankpool::ranks() is for rank 0, inside of rankpool::run()");
  return job->engine().roster().ranks();
}

}  // namespace rankpool::inline v0_2
