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
constexpr auto kShortFrom = static_cast<double>(pace::kShortFrom.count());
constexpr auto kShortUpTo = static_cast<double>(pace::kShortUpTo.count());
/// Longer ones go out one by one: nothing grows.
constexpr double kLong = 3e9;
constexpr std::uint64_t kAtLeast = 200'000;

Nanoseconds rounded(double ns) { return Nanoseconds{static_cast<std::int64_t>(ns)}; }
base::Load::Time point(double ns) { return base::Load::Time(rounded(ns)); }
double nanoseconds(base::Load::Time time) { return static_cast<double>(time.time_since_epoch().count()); }

}  // namespace

Cluster::Cluster(const Setting& setting, const Costs& costs)
    : setting_(setting),
      costs_(costs),
      nodes_(setting.nodes),
      workers_(setting.nodes * setting.workers),
      untold_(setting.nodes - 1) {
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
        wake_engine(event.time);
        break;
      case What::agent:
        agent_pass(event.who, event.time);
        break;
      case What::at_agent:
        message_at_agent(event.who, event.time);
        break;
      case What::agent_looks:
        agent_looks(event.who, event.time);
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
  outcome.on_tasks = (to.tasks - from.tasks) / (to.time - from.time);
  outcome.on_messages = (to.wire - from.wire) / (to.time - from.time);
  outcome.on_rings = (to.rings - from.rings) / (to.time - from.time);
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
  if (!server.in_vain) server.mean_gap += (gap - server.mean_gap) / 8;
  server.busy = true;
  return slept ? now + costs_.wake : now;
}

void Cluster::rest(Server& server, Time now, bool in_vain) const {
  server.busy = false;
  server.in_vain = in_vain;
  server.idle_since = now;
}

// -- rank 0

void Cluster::wake_engine(Time now) {
  if (engine_.busy) return;
  note_engine_sleep(now);
  at(wake_up(engine_, now), What::engine, 0);
}

/// Before it sleeps it tells all who do not know.
void Cluster::note_engine_sleep(Time now) {
  if (!engine_.asleep(now) || std::exchange(sleep_noted_, true)) return;
  told_ += costs_.tell * std::exchange(untold_, 0);
  ++engine_sleeps_;
}

/// Who was told that the engine sleeps rings it with its next message, whether it still does or not.
void Cluster::ring_engine(Node& by, Time now) {
  note_engine_sleep(now);
  if (std::exchange(by.rung_in, engine_sleeps_) == engine_sleeps_) return;
  ++untold_;
  told_ += costs_.hear;
}

void Cluster::engine_pass(Time begin) {
  const double rings = std::exchange(told_, 0);
  now_.rings += rings;
  Time now = begin + costs_.pass + rings;
  for (int taken = 0; taken < kMaxTaken && !inbox_.empty(); ++taken) {
    const std::uint32_t number = inbox_.front();
    inbox_.pop_front();
    Node& from = nodes_[messages_[number].node];
    ++from.received;
    if (from.told_busy && !std::exchange(from.owed, true)) owing_.push_back(messages_[number].node);
    now_.wire += costs_.receive;
    now = take(messages_[number].frames, now + costs_.receive);
    ++now_.messages;
    free_message(number);
  }
  now = take(nodes_[0].shown, now);
  nodes_[0].shown.clear();
  actions_.clear();
  scheduler_.take_actions(actions_);
  bool worked = !actions_.empty() || now > begin + costs_.pass + rings;
  now = carry_out(now);
  if (!worked && !owing_.empty()) {
    const Time before = now;
    now = acknowledge(now);
    worked = now > before;
  }
  load_.turn(point(begin), worked);
  if (!worked) {
    sleep_noted_ = false;
    return rest(engine_, begin);
  }
  now_.busy += now - begin;
  now_.time = now;
  at(now, What::engine, 0);
}

/// Rank 0 has nothing else to do: who waits for an answer, and got none with something to do, gets it now
/// (RemoteRanks::turned).
Cluster::Time Cluster::acknowledge(Time now) {
  for (const std::uint32_t number : owing_) {
    Node& node = nodes_[number];
    if (!std::exchange(node.owed, false) || !node.told_busy) continue;
    node.batch = new_message(number);
    now = send_batch(number, now);
  }
  owing_.clear();
  return now;
}

Cluster::Time Cluster::take(const std::vector<Frame>& frames, Time now) {
  for (const Frame& frame : frames) {
    const double cost = costs_.frame + costs_.item * frame.count / 2;
    now_.tasks += cost;
    now += cost;
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
    const double cost = costs_.chunk + costs_.item * sent->count / 2;
    now_.tasks += cost;
    now += cost;
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
  now_.wire += costs_.send;
  node.owed = false;
  node.told_busy = load_.busy();
  if (node.told_busy) messages_[node.batch].received = node.received;
  const Time arrival = through(out_free_, now, messages_[node.batch]) + costs_.latency;
  note_sleep(node, arrival);
  if (std::exchange(node.rank_0_knows_asleep, false)) {
    now += costs_.tell;
    now_.rings += costs_.tell;
  }
  at(arrival, What::at_agent, node.batch);
  node.touched = false;
  ++now_.messages;
  return now;
}

// -- agents

/// Before it sleeps an agent says so, unless it did and was not rung since, or will look soon.
void Cluster::note_sleep(Node& node, Time now) {
  if (node.looks || !node.agent.asleep(now)) return;
  if (!std::exchange(node.rank_0_knows_asleep, true)) told_ += costs_.hear;
}

void Cluster::message_at_agent(std::uint32_t message, Time now) {
  Node& node = nodes_[messages_[message].node];
  node.arrived.push_back(message);
  if (!node.looks || !node.agent.asleep(now)) wake_agent(messages_[message].node, now);
}

/// Something has come for it.
void Cluster::wake_agent(std::uint32_t number, Time now) {
  Node& node = nodes_[number];
  if (node.agent.busy) return;
  note_sleep(node, now);
  node.looks = false;
  at(wake_up(node.agent, now), What::agent, number);
}

/// It wakes up by itself.
void Cluster::agent_looks(std::uint32_t number, Time now) {
  Node& node = nodes_[number];
  if (!node.looks || node.look != now) return;
  node.looks = false;
  node.woke_to_look = true;
  node.agent.busy = true;
  at(now + costs_.wake, What::agent, number);
}

/// Until a worker or rank 0 has something for it, or it is time to look.
void Cluster::rest_agent(std::uint32_t number, Time now) {
  Node& node = nodes_[number];
  rest(node.agent, now, std::exchange(node.woke_to_look, false));
  std::optional<Time> look;
  if (!node.shown.empty()) look = std::max(nanoseconds(node.gathering.due()), now);
  const auto sleeps = now + node.agent.patience();
  if (const auto again = node.gathering.look_again(point(sleeps)))
    look = std::min(look.value_or(nanoseconds(*again)), nanoseconds(*again));
  node.looks = look.has_value();
  if (!look) return;
  node.look = *look;
  at(node.look, What::agent_looks, number);
}

void Cluster::agent_pass(std::uint32_t number, Time begin) {
  Node& node = nodes_[number];
  const bool sends = !node.shown.empty() && node.gathering.may_send(point(begin));
  if (node.arrived.empty() && !sends) return rest_agent(number, begin);
  node.woke_to_look = false;
  Time now = begin + costs_.pass;
  for (const std::uint32_t message : node.arrived) {
    now += costs_.receive;
    const auto& received = messages_[message].received;
    received ? node.gathering.heard_busy(point(now), *received) : node.gathering.heard_free();
    for (const Chunk& chunk : messages_[message].chunks) {
      now += costs_.relay;
      give(chunk, now);
    }
    free_message(message);
  }
  node.arrived.clear();
  if (!node.shown.empty() && node.gathering.may_send(point(now))) {
    const std::uint32_t message = new_message(number);
    std::swap(messages_[message].frames, node.shown);
    now += costs_.relay * static_cast<double>(messages_[message].frames.size()) + costs_.send;
    node.gathering.sent(point(now), ++node.sent);
    ring_engine(node, now);
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
  // The end of a short chunk may wait for that of the next, if that is not the last at hand (Worker::run_chunk).
  const bool unheard = last && worker.waiting.size() >= 2 && busy >= kShortFrom && busy <= kShortUpTo;
  nodes_[worker.node].shown.push_back({number, count, first, busy});
  const Server& host = worker.node == 0 ? engine_ : nodes_[worker.node].agent;
  if (!unheard || !host.asleep(now)) worker.node == 0 ? wake_engine(now) : wake_agent(worker.node, now);
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
  messages_[number].received.reset();
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
