// A broadcast to many nodes, in virtual time: rank 0's own decision who gives to whom, and measured costs of what
// agents do with each piece.
#pragma once

#include "engine/blob_sources.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <vector>

namespace bench::simulation {

/// Nanoseconds, but for the sizes.
struct BroadcastSetting {
  std::uint32_t nodes = 10;  ///< rank 0's among them
  double size = 1e9;         ///< bytes
  double piece = 256 << 10;  ///< bytes in a message
  unsigned window = 4;       ///< pieces that are on their way to a receiver at most
  double bandwidth = 10e9;   ///< bytes a second of each node's link, each way
  double latency = 2'000;    ///< one way
  double ask = 1'500;        ///< rank 0: from one request to the next
  double wake = 20'000;      ///< of an agent that sleeps
  double take = 100'000;     ///< an agent: a piece that has come, into its memory
  double give = 25'000;      ///< rank 0 or an agent: a piece, into a message
  double lost = 0;           ///< this share of the nodes is lost at random moments
  double told = 10e6;        ///< from a loss to rank 0's knowing of it
  bool tree = true;          ///< false: rank 0 sends it to all, one piece each in turn
};

struct BroadcastOutcome {
  double seconds = 0;  ///< until all who live have it
  double sent = 0;     ///< bytes that have left rank 0
  int depth = 0;       ///< ranks between a receiver and who has it all, at most
  std::uint32_t have = 0;
};

/// Nodes are numbered, rank 0's is the first.
class BroadcastSimulation {
 public:
  explicit BroadcastSimulation(const BroadcastSetting& setting);
  BroadcastOutcome run();

 private:
  using Node = std::uint32_t;
  enum class Kind : std::uint8_t { ask, begin, arrival, taken, loss, news };
  struct Event {
    double at = 0;
    Kind kind{};
    Node node = 0;
    std::uint32_t epoch = 0;  ///< of the receiver's source
    bool operator>(const Event& other) const { return at > other.at; }
  };
  struct State {
    std::uint32_t have = 0;   ///< pieces that it can pass on
    std::uint32_t sent = 0;   ///< pieces that its source has sent it
    std::uint32_t epoch = 0;  ///< changes with its source
    Node source = 0;
    std::vector<Node> receivers;
    bool asked = false;
    bool lost = false;
    double thread_free = 0;
    double out_free = 0;
    double in_free = 0;
  };

  void at(double time, Kind kind, Node node, std::uint32_t epoch = 0) { events_.push({time, kind, node, epoch}); }
  void handle(const Event& event);
  /// The node gets it from there from now on.
  void set_source(Node node, const rankpool::engine::BlobSources::Source& source, double now);
  void pump(Node from, Node to, double now);

  const BroadcastSetting setting_;
  const std::uint32_t pieces_;
  std::vector<State> nodes_;
  rankpool::engine::BlobSources sources_{rankpool::Rank{0}};
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::mt19937 random_{4711};
  std::uint64_t root_sent_ = 0;  ///< pieces
  BroadcastOutcome outcome_;
};

}  // namespace bench::simulation
