// How long a broadcast of --bytes=B takes to --nodes=N, and how much of it leaves rank 0, in virtual time. What a piece
// costs an agent is measured first with the library's own memory of broadcasts and its messages, unless --take-ns and
// --give-ns say it. --lost=PER_MILLE nodes are lost on the way; --tree=0: rank 0 sends it to all itself. A line of
// JSON.
#include "broadcast.hpp"

#include "channel/blob.hpp"
#include "measure.hpp"
#include "wire/messages.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace bench::simulation {

using rankpool::Rank;
using rankpool::engine::BlobSources;

BroadcastSimulation::BroadcastSimulation(const BroadcastSetting& setting)
    : setting_(setting), pieces_(static_cast<std::uint32_t>(std::ceil(setting.size / setting.piece))) {
  nodes_.resize(setting.nodes);
  nodes_[0].have = pieces_;
  for (Node node = 1; node < setting.nodes; ++node) at(node * setting.ask, Kind::ask, node);
  const double usual = 2 * setting.size / setting.bandwidth * 1e9;
  std::vector<Node> all(setting.nodes - 1);
  for (Node node = 1; node < setting.nodes; ++node) all[node - 1] = node;
  std::shuffle(all.begin(), all.end(), random_);
  const auto lost = static_cast<std::size_t>(std::lround(setting.lost * static_cast<double>(all.size())));
  for (std::size_t i = 0; i < lost; ++i) {
    at(std::uniform_real_distribution<>(0, usual)(random_), Kind::loss, all[i]);
  }
}

BroadcastOutcome BroadcastSimulation::run() {
  while (!events_.empty()) {
    const Event event = events_.top();
    events_.pop();
    handle(event);
  }
  outcome_.sent = static_cast<double>(root_sent_) * setting_.piece;
  outcome_.have = 0;
  for (const State& node : nodes_) outcome_.have += !node.lost && node.have == pieces_ ? 1 : 0;
  return outcome_;
}

void BroadcastSimulation::handle(const Event& event) {
  State& node = nodes_[event.node];
  const Rank rank{static_cast<std::int32_t>(event.node)};
  const double now = event.at;
  switch (event.kind) {
    case Kind::ask:
      if (node.lost) return;
      node.asked = true;
      set_source(event.node, sources_.add(rank, true, !setting_.tree), now);
      break;
    case Kind::begin:
      if (event.epoch == node.epoch) pump(node.source, event.node, now);
      break;
    case Kind::arrival:  // its thread is the next to be at it
      if (node.lost || event.epoch != node.epoch) return;
      node.thread_free = std::max(now, node.thread_free) + setting_.take;
      at(node.thread_free, Kind::taken, event.node, event.epoch);
      break;
    case Kind::taken:
      if (node.lost || event.epoch != node.epoch) return;
      ++node.have;
      pump(node.source, event.node, now);
      for (const Node receiver : node.receivers) pump(event.node, receiver, now);
      if (node.have == pieces_) {
        std::erase(nodes_[node.source].receivers, event.node);
        sources_.complete(rank);
        outcome_.seconds = std::max(outcome_.seconds, now * 1e-9);
      }
      break;
    case Kind::loss:
      node.lost = true;
      at(now + setting_.told, Kind::news, event.node);
      break;
    case Kind::news:
      std::erase(nodes_[node.source].receivers, event.node);
      for (const auto& [receiver, source] : sources_.lost(rank)) {
        set_source(static_cast<Node>(rankpool::raw(receiver)), source, now);
      }
      break;
  }
}

void BroadcastSimulation::set_source(Node node, const BlobSources::Source& source, double now) {
  State& state = nodes_[node];
  state.source = static_cast<Node>(rankpool::raw(source.rank));
  state.sent = state.have;
  ++state.epoch;
  nodes_[state.source].receivers.push_back(node);
  outcome_.depth = std::max(outcome_.depth, source.depth);
  // The receiver is told, and asks its source, which was woken meanwhile.
  const double begins = state.source == 0 ? 0 : std::max(2 * setting_.latency, setting_.latency + setting_.wake);
  at(now + begins, Kind::begin, node, state.epoch);
}

void BroadcastSimulation::pump(Node from, Node to, double now) {
  State& source = nodes_[from];
  State& receiver = nodes_[to];
  if (source.lost || receiver.source != from) return;
  const double on_the_link = setting_.piece / setting_.bandwidth * 1e9;
  while (receiver.sent < source.have && receiver.sent - receiver.have < setting_.window) {
    source.thread_free = std::max(now, source.thread_free) + setting_.give;
    source.out_free = std::max(source.thread_free, source.out_free) + on_the_link;
    receiver.in_free = std::max(source.out_free + setting_.latency, receiver.in_free + on_the_link);
    at(receiver.in_free, Kind::arrival, to, receiver.epoch);
    ++receiver.sent;
    if (from == 0) ++root_sent_;
  }
}

namespace {

/// Medians of what a piece costs, in nanoseconds of CPU time: into a broadcast's memory, and into a message.
struct PieceCosts {
  double take = 0;
  double give = 0;
};
PieceCosts measure_pieces(std::size_t piece) {
  constexpr std::size_t kPieces = 400;
  const std::vector<std::byte> bytes(piece, std::byte{1});
  rankpool::channel::Blob blob(1, kPieces * piece + 1);
  std::vector<double> take;
  std::vector<double> give;
  for (std::size_t i = 0; i < kPieces; ++i) {
    double begin = thread_cpu_ns();
    if (!blob.append(bytes)) break;
    take.push_back(thread_cpu_ns() - begin);
    begin = thread_cpu_ns();
    rankpool::detail::Bytes message;
    rankpool::wire::append(message, rankpool::wire::BlobPart{1, blob.size(), 0, bytes});
    give.push_back(thread_cpu_ns() - begin);
  }
  return {quantile(take, 0.5), quantile(give, 0.5)};
}

}  // namespace
}  // namespace bench::simulation

int main(int argc, char** argv) {
  using namespace bench;
  simulation::BroadcastSetting setting;
  setting.nodes = static_cast<std::uint32_t>(std::max(2L, static_cast<long>(option(argc, argv, "nodes", 10))));
  setting.size = std::stod(text_option(argc, argv, "bytes", "1e9"));
  setting.lost = std::stod(text_option(argc, argv, "lost", "0")) / 1000;
  setting.tree = option(argc, argv, "tree", 1) != 0;
  setting.take = std::stod(text_option(argc, argv, "take-ns", "0"));
  setting.give = std::stod(text_option(argc, argv, "give-ns", "0"));
  if (setting.take == 0 || setting.give == 0) {
    const auto costs = simulation::measure_pieces(static_cast<std::size_t>(setting.piece));
    setting.take = costs.take;
    setting.give = costs.give;
  }
  const auto outcome = simulation::BroadcastSimulation(setting).run();
  Report()
      .add("nodes", setting.nodes)
      .add("bytes", setting.size)
      .add("lost", setting.lost)
      .add("tree", setting.tree ? 1 : 0)
      .add("take_ns", setting.take)
      .add("give_ns", setting.give)
      .add("seconds", outcome.seconds)
      .add("sent_by_root", outcome.sent)
      .add("depth", outcome.depth)
      .add("have", outcome.have)
      .print();
  return 0;
}
