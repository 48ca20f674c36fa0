// A cluster in virtual time: rank 0's engine, agents, workers and the network between them are counters and queues;
// what decides is the library's own scheduler.
//
//     engine ──message──► agent ──frames──► worker: computes for the length of its items
//       ▲                   │ ◄──frames────────┘
//       └──────message──────┘
//
// The engine and each agent serve one thing after another, in passes like those of Engine::loop and Agent::run: a pass
// takes what has arrived, and whatever it has to say to one rank leaves as one message at its end. When an agent's
// message leaves while rank 0 is busy, and whether somebody is rung, is decided by the library's own base::Load and
// base::Gathering.
#pragma once

#include "costs.hpp"

#include "base/gathering.hpp"
#include "schedule/scheduler.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <random>
#include <vector>

namespace bench::simulation {

struct Setting {
  std::uint32_t nodes = 10;
  std::uint32_t workers = 128;  ///< of each node
  double length = 1e6;          ///< of an item on average, ns; from half of it to one and a half, evenly
  std::uint32_t chunk = 0;      ///< chunksize; 0: the library's own
  double show_after = 500'000;  ///< a worker holds finished results back for so long
  std::uint64_t items = 0;      ///< all that there are; 0: without end, and `run` stops in the steady state
};

struct Outcome {
  double seconds = 0;         ///< of virtual time that the figures are about
  double efficiency = 0;      ///< computing, as a part of all the workers' time
  double items_per_s = 0;     ///< ended
  double chunks_per_s = 0;    ///< ended: with a chunksize of 1 these are tasks
  double frames_per_s = 0;    ///< with results, that rank 0 has read
  double messages_per_s = 0;  ///< that rank 0 has received and sent
  double engine_busy = 0;     ///< part of the time
  double on_tasks = 0;        ///< of that what went into decisions and frames, as a part of all the time
  double on_messages = 0;     ///< into messages
  double on_rings = 0;        ///< into signals to sleepers and from them
  double items_in_chunk = 0;  ///< on average
  double all_started_s = 0;   ///< when the last worker began its first item
  std::uint64_t ended = 0;    ///< items, from the beginning
  bool each_once = true;      ///< no item ended twice; of a map with an end
};

class Cluster {
 public:
  Cluster(const Setting& setting, const Costs& costs);
  /// Once.
  Outcome run();

 private:
  using Time = double;  ///< nanoseconds
  enum class What : std::uint32_t { engine, at_engine, agent, at_agent, agent_looks, worker };
  struct Event {
    Time time;
    What what;
    std::uint32_t who;  ///< node, worker, or message
    bool operator>(const Event& other) const { return time > other.time; }
  };
  struct Chunk {
    std::uint32_t worker = 0;
    std::uint32_t count = 0;
    std::uint64_t first = 0;
  };
  /// Results of `count` items.
  struct Frame {
    std::uint32_t worker = 0;
    std::uint32_t count = 0;
    std::uint64_t first = 0;
    double busy = 0;  ///< with the last frame of a chunk what all of it took, else 0
  };
  /// To an agent, or from one.
  struct Message {
    std::uint32_t node = 0;
    std::optional<std::uint64_t> received;  ///< rank 0 is busy, and has received so many of the agent's messages
    std::vector<Chunk> chunks;
    std::vector<Frame> frames;
  };
  /// Who has something to do, or waits for it as base::Idler does.
  struct Server {
    bool busy = false;     ///< at work, or about to be
    bool in_vain = false;  ///< it woke up for nothing, and sleeps on
    Time idle_since = 0;
    double mean_gap = 0;
    [[nodiscard]] double patience() const { return in_vain ? 0 : mean_gap < 40'000 ? 50'000 : 2'000; }
    [[nodiscard]] bool asleep(Time now) const { return !busy && now - idle_since > patience(); }
  };
  struct Node {
    Server agent;
    rankpool::base::Gathering gathering;
    bool rank_0_knows_asleep = false;
    bool looks = false;  ///< it sleeps until `look`, and need not be rung
    bool woke_to_look = false;
    Time look = 0;
    std::uint64_t sent = 0;              ///< messages to rank 0
    std::uint64_t received = 0;          ///< of these, by rank 0
    bool told_busy = false;              ///< that rank 0 is
    bool owed = false;                   ///< rank 0 has not said yet what it has received
    std::uint64_t rung_in = 0;           ///< the sleep of the engine from which it has rung it last
    std::vector<std::uint32_t> arrived;  ///< messages
    std::vector<Frame> shown;            ///< by its workers, not yet sent
    std::uint32_t batch = 0;             ///< the message that rank 0 gathers for it, if `touched`
    bool touched = false;
  };
  struct Worker {
    std::uint32_t node = 0;
    bool began = false;
    std::vector<Chunk> waiting;  ///< behind the one it works on: a few
    Chunk now;                   ///< count 0: none
    std::uint32_t shown = 0;
    double item = 0;  ///< length of each of its chunk
    Time until = 0;   ///< its chunk ends
    Time idle_since = 0;
  };

  void at(Time time, What what, std::uint32_t who) { events_.push({time, what, who}); }
  /// When it begins what has come up for it now.
  [[nodiscard]] Time wake_up(Server& server, Time now) const;
  void rest(Server& server, Time now, bool in_vain = false) const;

  void engine_pass(Time begin);
  [[nodiscard]] Time take(const std::vector<Frame>& frames, Time now);
  void wake_engine(Time now);
  void note_engine_sleep(Time now);
  void ring_engine(Node& by, Time now);
  Time carry_out(Time now);
  Time send_batch(std::uint32_t number, Time now);
  Time acknowledge(Time now);

  void agent_pass(std::uint32_t number, Time begin);
  void wake_agent(std::uint32_t number, Time now);
  void message_at_agent(std::uint32_t message, Time now);
  void agent_looks(std::uint32_t number, Time now);
  void rest_agent(std::uint32_t number, Time now);
  void note_sleep(Node& node, Time now);

  void give(const Chunk& chunk, Time now);
  void begin(std::uint32_t number, Time now);
  void show(std::uint32_t number, Time now);
  [[nodiscard]] std::uint32_t to_show(const Worker& worker) const;

  [[nodiscard]] std::uint32_t new_message(std::uint32_t node);
  void free_message(std::uint32_t number);
  /// When so many bytes that want to pass rank 0's link now have passed it.
  [[nodiscard]] Time through(Time& link_free, Time now, const Message& message) const;

  const Setting setting_;
  const Costs costs_;
  rankpool::schedule::Scheduler scheduler_;
  std::vector<rankpool::schedule::Action> actions_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::mt19937_64 random_{1};
  std::vector<Node> nodes_;
  std::vector<Worker> workers_;
  std::vector<Message> messages_;
  std::vector<std::uint32_t> free_messages_;

  Server engine_;
  rankpool::base::Load load_;
  std::uint64_t engine_sleeps_ = 0;   ///< so often
  bool sleep_noted_ = false;          ///< of where it is now
  std::uint32_t untold_ = 0;          ///< agents that have rung it since they were told of its sleep
  std::vector<std::uint32_t> owing_;  ///< nodes that are owed an answer
  std::deque<std::uint32_t> inbox_;
  std::vector<std::uint32_t> touched_;
  Time out_free_ = 0;
  Time in_free_ = 0;
  double told_ = 0;  ///< what signals on lifelines have cost rank 0 since its last pass

  struct Counts {
    Time time = 0;
    double busy = 0;   ///< the engine, ns
    double tasks = 0;  ///< what of that went into these
    double rings = 0;
    double wire = 0;
    double useful = 0;  ///< all workers, ns
    std::uint64_t items = 0;
    std::uint64_t chunks = 0;
    std::uint64_t frames = 0;
    std::uint64_t messages = 0;
  };
  [[nodiscard]] double useful(Time now) const;
  [[nodiscard]] Outcome between(const Counts& from, const Counts& to) const;
  Counts now_;
  double begun_ = 0;         ///< length of all items that workers have begun with
  std::uint64_t began_ = 0;  ///< workers that have
  Time all_began_ = 0;
  std::vector<std::uint8_t> ended_;  ///< how often, by item
};

}  // namespace bench::simulation
