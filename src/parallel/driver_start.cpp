// What runs next, and where.
#include "parallel/driver.hpp"
#include "parallel/run_command.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace rankpool::parallel {

std::optional<Driver::Job> Driver::next_job() {
  Job job;
  if (!again_.empty()) {
    job = std::move(again_.front());
    again_.pop_front();
    job.slot = next_slot();
    if (command_.has_slot()) job.text = command_.render(job.item.arguments, job.item.seq, job.slot);
    return job;
  }
  while (!input_ended_) {
    switch (items_.take(job.item)) {
      case ItemQueue::State::ended:
        input_ended_ = true;
        return std::nullopt;
      case ItemQueue::State::none_yet:
        return std::nullopt;
      case ItemQueue::State::some:
        break;
    }
    job.slot = next_slot();
    job.text = command_.render(job.item.arguments, job.item.seq, job.slot);
    if (is_to_be_run(job)) return job;
    if (progress_) progress_->skip(1);
  }
  return std::nullopt;
}

bool Driver::is_to_be_run(const Job& job) {
  using Verdict = History::Verdict;
  const std::uint64_t seq = job.item.seq;
  if (!history_.knows(seq)) return true;
  Verdict verdict = history_.verdict(seq, job.text);
  // The number of a slot is another each time.
  for (int slot = 1; command_.has_slot() && verdict == Verdict::changed && slot <= static_cast<int>(slots_); ++slot) {
    verdict = history_.verdict(seq, command_.render(job.item.arguments, seq, slot));
  }
  if (verdict != Verdict::changed) return verdict == Verdict::failed && options_.resume == Resume::failed_too;
  if (options_.resume == Resume::force) return true;
  std::string before;
  JoblogFile file(options_.joblog);
  while (const auto entry = file.next()) {
    if (entry->seq == seq) before = entry->command;
  }
  throw std::runtime_error("command " + std::to_string(seq) + " has changed since the joblog " + options_.joblog +
                           " was written: there it is\n  " + before + "\nand now it is\n  " + job.text +
                           "\nUse --resume=force to run what has changed, or another joblog.");
}

int Driver::next_slot() const { return free_slots_.empty() ? slot_numbers_ + 1 : free_slots_.top(); }

void Driver::take_slot() {
  if (free_slots_.empty()) {
    ++slot_numbers_;
  } else {
    free_slots_.pop();
  }
}

std::size_t Driver::waiting_elsewhere() {
  if (elsewhere_ == 0) return 0;
  elsewhere_ = 0;
  for (auto& [seq, job] : running_) {
    job.elsewhere = job.elsewhere && !job.returned && !job.future.running() && !job.future.done();
    if (job.elsewhere) ++elsewhere_;
  }
  return elsewhere_;
}

std::vector<int> Driver::ranks_to_avoid(const Job& job) {
  if (job.failed_on.empty()) return {};
  const auto all = rankpool::ranks();
  std::map<std::string, int> failures;  // by node
  for (const auto& rank : all) {
    if (!rank.alive) continue;
    const auto times = std::count(job.failed_on.begin(), job.failed_on.end(), rank.rank);
    failures[rank.host] += static_cast<int>(times);
  }
  int fewest = std::numeric_limits<int>::max();
  for (const auto& [host, times] : failures) fewest = std::min(fewest, times);
  std::vector<int> avoided;
  for (const auto& rank : all) {
    if (rank.alive && failures[rank.host] > fewest) avoided.push_back(rank.rank);
  }
  return avoided;
}

void Driver::give_back_idle_nodes() {
  const bool tail = phase_ == Phase::finishing || (input_ended_ && again_.empty());
  if (!idle_nodes_ || !tail || running_.empty() || Clock::now() < idle_nodes_->next()) return;
  std::map<int, std::string> hosts;
  std::set<std::string> all;
  for (const auto& rank : rankpool::ranks()) {
    hosts[rank.rank] = rank.host;
    if (rank.alive) all.insert(rank.host);
  }
  std::set<std::string> needed{hosts[0]};
  for (const auto& [seq, job] : running_) {
    if (!job.rank) return;
    needed.insert(hosts[*job.rank]);
  }
  const std::string told = idle_nodes_->give_back(all, needed, Clock::now());
  if (!told.empty()) say(told);
}

void Driver::start(Job job) {
  take_slot();
  const std::uint64_t seq = job.item.seq;
  next_start_ =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.delay));
  Command command;
  command.seq = seq;
  command.attempt = ++job.attempt;
  command.slot = job.slot;
  command.text = job.text;
  command.has_block = options_.pipe;
  command.block = job.item.block;
  job.pieces = 0;
  job.result.reset();
  job.returned = false;
  job.rank.reset();
  std::string head;
  if (options_.verbose) head = job.text + "\n";
  printer_.started(seq, options_.tag ? tag_of(job) : std::string(), head);
  TaskOptions where;
  if (several_ranks_) where.avoid_ranks = ranks_to_avoid(job);
  job.elsewhere = !where.avoid_ranks.empty();
  if (job.elsewhere) ++elsewhere_;
  auto future = job.elsewhere ? executor_->submit(std::move(where), run_command, std::move(command))
                              : executor_->submit(run_command, std::move(command));
  job.future = future;
  running_.insert_or_assign(seq, std::move(job));
  future.add_done_callback([this, seq](const Future<CommandResult>& done) { command_done(seq, done); });
}

}  // namespace rankpool::parallel
