#include "cluster.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bench::simulation {
namespace {

using namespace rankpool;
using namespace rankpool::schedule;

constexpr PoolId kPool{0};
constexpr WorkId kWork{0};
/// More than any run gets through.
constexpr std::uint64_t kEndless = std::uint64_t{1} << 50U;
/// Messages that the engine takes in one pass (MpiTransport).
constexpr int kMaxTaken = 64;
/// How long a worker looks for more before it sleeps.
constexpr double kWorkerSpins = 20'000;
/// Chunks for each worker before the steady state is taken for granted (the library's own chunks have to grow first),
/// and so many that it is then measured over; a million workers are an average even over fewer.
constexpr std::uint64_t kUntilSteady = 2;
constexpr std::uint64_t kUntilGrown = 8;
constexpr std::uint64_t kMeasured = 2;
constexpr std::uint64_t kUntilGrownOfMany = 3;
constexpr std::uint64_t kMeasuredOfMany = 1;
constexpr std::uint64_t kMany = 100'000;
/// Longer ones go out one by one: nothing grows.
constexpr double kLong = 3e9;
constexpr std::uint64_t kAtLeast = 200'000;

Nanoseconds rounded(double ns) { return Nanoseconds{static_cast<std::int64_t>(ns)}; }

}  // namespace

Cluster::Cluster(const Setting& setting, const Costs& costs)
    : setting_(setting), costs_(costs), nodes_(setting.nodes), workers_(setting.nodes * setting.workers) {
  if (setting.items != 0) ended_.resize(setting.items);
  for (std::uint32_t node = 0; node < setting.nodes; ++node) {
    scheduler_.rank_joined(Rank{static_cast<std::int32_t>(node)}, static_cast<int>(setting.workers));
  }
  PoolPolicy policy;
  policy.max_workers = static_cast<int>(workers_.size());
  scheduler_.pool_opened(kPool, policy);
  scheduler_.take_actions(actions_);
  for (const Action& action : actions_) {
    const auto& start = std::get<StartWorker>(action);
    workers_[raw(start.worker)].node = static_cast<std::uint32_t>(raw(start.rank));
    scheduler_.worker_ready(start.worker);
  }
  WorkSpec map;
  map.items = setting.items != 0 ? setting.items : kEndless;
  map.chunk = setting.chunk;
  scheduler_.work_submitted(kPool, kWork, map);
}

Outcome Cluster::run() {
  const auto workers = static_cast<std::uint64_t>(workers_.size());
  const bool grows = setting_.chunk == 0 && setting_.length < kLong;
  const std::uint64_t growing = workers < kMany ? kUntilGrown : kUntilGrownOfMany;
  const std::uint64_t steady = std::max((grows ? growing : kUntilSteady) * workers, kAtLeast);
  const std::uint64_t enough = steady + std::max((workers < kMany ? kMeasured : kMeasuredOfMany) * workers, kAtLeast);
  Counts from;
  Time now = 0;
  engine_.busy = true;
  at(0, What::engine, 0);
  while (!events_.empty()) {
    const Event event = events_.top();
    events_.pop();
    now = event.time;
    switch (event.what) {
      case What::engine:
        engine_pass(event.time);
        break;
      case What::at_engine:
        inbox_.push_back(event.who);
        wake_engine(event.time, true);
        break;
      case What::agent:
        agent_pass(event.who, event.time);
        break;
      case What::at_agent:
        nodes_[messages_[event.who].node].arrived.push_back(event.who);
        wake_agent(messages_[event.who].node, event.time);
        break;
      case What::worker:
        show(event.who, event.time);
        break;
    }
    if (setting_.items != 0) {
      if (now_.items == setting_.items) break;
    } else if (now_.chunks >= enough) {
      break;
    } else if (from.chunks == 0 && now_.chunks >= steady) {
      now_.useful = useful(now);
      from = now_;
    }
  }
  now_.useful = useful(now);
  return between(from, now_);
}

Outcome Cluster::between(const Counts& from, const Counts& to) const {
  Outcome outcome;
  const double seconds = (to.time - from.time) * 1e-9;
  const auto a_second = [&](std::uint64_t before, std::uint64_t after) {
    return static_cast<double>(after - before) / seconds;
  };
  outcome.seconds = seconds;
  outcome.items_per_s = a_second(from.items, to.items);
  outcome.chunks_per_s = a_second(from.chunks, to.chunks);
  outcome.frames_per_s = a_second(from.frames, to.frames);
  outcome.messages_per_s = a_second(from.messages, to.messages);
  outcome.efficiency = (to.useful - from.useful) / (to.time - from.time) / static_cast<double>(workers_.size());
  outcome.engine_busy = (to.busy - from.busy) / (to.time - from.time);
  outcome.items_in_chunk = outcome.items_per_s / outcome.chunks_per_s;
  outcome.all_started_s = all_began_ * 1e-9;
  outcome.ended = to.items;
  outcome.each_once = std::all_of(ended_.begin(), ended_.end(), [](std::uint8_t times) { return times == 1; });
  return outcome;
}

/// What workers have computed until now; chunks that run count as far as they are.
double Cluster::useful(Time now) const {
  double sum = begun_;
  for (const Worker& worker : workers_) sum -= std::max(0.0, worker.now.count == 0 ? 0.0 : worker.until - now);
  return sum;
}

// -- waiting

Cluster::Time Cluster::wake_up(Server& server, Time now) const {
  const Time gap = now - server.idle_since;
  const bool slept = server.asleep(now);
  server.mean_gap += (gap - server.mean_gap) / 8;
  server.busy = true;
  return slept ? now + costs_.wake : now;
}

void Cluster::rest(Server& server, Time now) const {
  server.busy = false;
  server.idle_since = now;
}

// -- rank 0

void Cluster::wake_engine(Time now, bool by_agent) {
  if (engine_.busy) return;
  if (by_agent && engine_.asleep(now)) told_ += costs_.tell + costs_.hear;  // it said that it sleeps, and is rung
  at(wake_up(engine_, now), What::engine, 0);
}

void Cluster::engine_pass(Time begin) {
  Time now = begin + costs_.pass + std::exchange(told_, 0);
  for (int taken = 0; taken < kMaxTaken && !inbox_.empty(); ++taken) {
    const std::uint32_t number = inbox_.front();
    inbox_.pop_front();
    now = take(messages_[number].frames, now + costs_.receive);
    ++now_.messages;
    free_message(number);
  }
  now = take(nodes_[0].shown, now);
  nodes_[0].shown.clear();
  actions_.clear();
  scheduler_.take_actions(actions_);
  if (actions_.empty() && now <= begin + costs_.pass) return rest(engine_, begin);
  now = carry_out(now);
  now_.busy += now - begin;
  now_.time = now;
  at(now, What::engine, 0);
}

Cluster::Time Cluster::take(const std::vector<Frame>& frames, Time now) {
  for (const Frame& frame : frames) {
    now += costs_.frame + costs_.item * frame.count / 2;
    scheduler_.items_ended(WorkerId{frame.worker}, frame.count);
    if (frame.busy > 0) {
      scheduler_.chunk_done(WorkerId{frame.worker}, rounded(frame.busy));
      ++now_.chunks;
    }
    ++now_.frames;
    now_.items += frame.count;
    if (ended_.empty()) continue;
    for (std::uint64_t item = frame.first; item < frame.first + frame.count; ++item) ++ended_[item];
  }
  return now;
}

Cluster::Time Cluster::carry_out(Time now) {
  for (const Action& action : actions_) {
    const auto* const sent = std::get_if<SendChunk>(&action);
    if (sent == nullptr) continue;
    now += costs_.chunk + costs_.item * sent->count / 2;
    const Chunk chunk{raw(sent->worker), sent->count, sent->first};
    const std::uint32_t number = workers_[chunk.worker].node;
    if (number == 0) {
      give(chunk, now);
      continue;
    }
    Node& node = nodes_[number];
    if (!std::exchange(node.touched, true)) {
      node.batch = new_message(number);
      touched_.push_back(number);
    }
    messages_[node.batch].chunks.push_back(chunk);
  }
  for (const std::uint32_t number : touched_) now = send_batch(number, now);
  touched_.clear();
  return now;
}

Cluster::Time Cluster::send_batch(std::uint32_t number, Time now) {
  Node& node = nodes_[number];
  now += costs_.send;
  const Time arrival = through(out_free_, now, messages_[node.batch]) + costs_.latency;
  note_sleep(node, arrival);
  if (std::exchange(node.rank_0_knows_asleep, false)) now += costs_.tell;
  at(arrival, What::at_agent, node.batch);
  node.touched = false;
  ++now_.messages;
  return now;
}

// -- agents

/// Before it sleeps an agent says so, unless it did and was not rung since.
void Cluster::note_sleep(Node& node, Time now) {
  if (node.agent.asleep(now) && !std::exchange(node.rank_0_knows_asleep, true)) told_ += costs_.hear;
}

void Cluster::wake_agent(std::uint32_t number, Time now) {
  Node& node = nodes_[number];
  if (node.agent.busy) return;
  note_sleep(node, now);
  at(wake_up(node.agent, now), What::agent, number);
}

void Cluster::agent_pass(std::uint32_t number, Time begin) {
  Node& node = nodes_[number];
  if (node.arrived.empty() && node.shown.empty()) return rest(node.agent, begin);
  Time now = begin + costs_.pass;
  for (const std::uint32_t message : node.arrived) {
    now += costs_.receive;
    for (const Chunk& chunk : messages_[message].chunks) {
      now += costs_.relay;
      give(chunk, now);
    }
    free_message(message);
  }
  node.arrived.clear();
  if (!node.shown.empty()) {
    const std::uint32_t message = new_message(number);
    std::swap(messages_[message].frames, node.shown);
    now += costs_.relay * static_cast<double>(messages_[message].frames.size()) + costs_.send;
    at(through(in_free_, now + costs_.latency, messages_[message]), What::at_engine, message);
  }
  at(now, What::agent, number);
}

// -- workers

void Cluster::give(const Chunk& chunk, Time now) {
  Worker& worker = workers_[chunk.worker];
  worker.waiting.push_back(chunk);
  if (worker.now.count == 0) begin(chunk.worker, now - worker.idle_since > kWorkerSpins ? now + costs_.wake : now);
}

void Cluster::begin(std::uint32_t number, Time now) {
  Worker& worker = workers_[number];
  worker.now = worker.waiting.front();
  worker.waiting.erase(worker.waiting.begin());
  worker.shown = 0;
  // The mean of as many lengths as there are items is spread by so much less than one of them.
  const double spread = std::uniform_real_distribution(-0.5, 0.5)(random_) / std::sqrt(worker.now.count);
  worker.item = setting_.length * (1 + spread) + costs_.worker_item;
  now += costs_.worker_chunk;
  if (!std::exchange(worker.began, true) && ++began_ == workers_.size()) all_began_ = now;
  worker.until = now + worker.item * worker.now.count;
  begun_ += (worker.item - costs_.worker_item) * worker.now.count;
  at(now + worker.item * to_show(worker), What::worker, number);
}

/// How many items it finishes until it shows them.
std::uint32_t Cluster::to_show(const Worker& worker) const {
  const auto until = static_cast<std::uint32_t>(std::ceil(setting_.show_after / worker.item));
  return std::min(worker.now.count - worker.shown, std::max(until, 1U));
}

void Cluster::show(std::uint32_t number, Time now) {
  Worker& worker = workers_[number];
  const std::uint32_t count = to_show(worker);
  const std::uint64_t first = worker.now.first + worker.shown;
  worker.shown += count;
  const bool last = worker.shown == worker.now.count;
  const double busy = last ? costs_.worker_chunk + worker.item * worker.now.count : 0;
  nodes_[worker.node].shown.push_back({number, count, first, busy});
  if (worker.node == 0) {
    wake_engine(now, false);
  } else {
    wake_agent(worker.node, now);
  }
  if (!last) {
    at(now + worker.item * to_show(worker), What::worker, number);
  } else if (!worker.waiting.empty()) {
    begin(number, now);
  } else {
    worker.now.count = 0;
    worker.idle_since = now;
  }
}

// -- the network

std::uint32_t Cluster::new_message(std::uint32_t node) {
  auto number = static_cast<std::uint32_t>(messages_.size());
  if (free_messages_.empty()) {
    messages_.emplace_back();
  } else {
    number = free_messages_.back();
    free_messages_.pop_back();
  }
  messages_[number].node = node;
  return number;
}

void Cluster::free_message(std::uint32_t number) {
  messages_[number].chunks.clear();
  messages_[number].frames.clear();
  free_messages_.push_back(number);
}

Cluster::Time Cluster::through(Time& link_free, Time now, const Message& message) const {
  double bytes = costs_.frame_bytes * static_cast<double>(message.chunks.size() + message.frames.size());
  for (const Chunk& chunk : message.chunks) bytes += costs_.item_bytes * chunk.count;
  for (const Frame& frame : message.frames) bytes += costs_.item_bytes * frame.count;
  link_free = std::max(link_free, now) + bytes / costs_.bandwidth * 1e9;
  return link_free;
}

}  // namespace bench::simulation
