// Efficiency of a cluster of --nodes=N, each one rank with --workers=128, in virtual time: tasks of --length-us=L,
// --chunksize=C (0: the library's own), --items=I (0: without end). What steps cost is told as costs.hpp names them. A
// line of JSON.
#include "cluster.hpp"

#include "base/pace.hpp"
#include "schedule/chunk_policy.hpp"

#include <algorithm>

int main(int argc, char** argv) {
  using namespace bench;
  using rankpool::schedule::ChunkPolicy;
  simulation::Setting setting;
  setting.nodes = static_cast<std::uint32_t>(option(argc, argv, "nodes", 10));
  setting.workers = static_cast<std::uint32_t>(option(argc, argv, "workers", 128));
  setting.length = std::stod(text_option(argc, argv, "length-us", "1000")) * 1e3;
  setting.chunk = static_cast<std::uint32_t>(option(argc, argv, "chunksize", 0));
  setting.items = static_cast<std::uint64_t>(option(argc, argv, "items", 0));
  const double all_workers = static_cast<double>(setting.nodes) * setting.workers;
  const double two_chunks = 2 * all_workers * static_cast<double>(rankpool::pace::kRankZeroForChunk.count());
  setting.show_after = std::clamp(two_chunks, static_cast<double>(rankpool::pace::kShownWithin.count()),
                                  static_cast<double>(rankpool::pace::kHeldBackAtMost.count()));
  const auto begin = Clock::now();
  simulation::Cluster cluster(setting, simulation::Costs::from_options(argc, argv));
  const simulation::Outcome outcome = cluster.run();
  Report()
      .add("nodes", setting.nodes)
      .add("length_s", setting.length * 1e-9)
      .add("efficiency", outcome.efficiency)
      .add("items_per_s", outcome.items_per_s)
      .add("chunks_per_s", outcome.chunks_per_s)
      .add("frames_per_s", outcome.frames_per_s)
      .add("messages_per_s", outcome.messages_per_s)
      .add("engine_busy", outcome.engine_busy)
      .add("on_tasks", outcome.on_tasks)
      .add("on_messages", outcome.on_messages)
      .add("on_rings", outcome.on_rings)
      .add("items_in_chunk", outcome.items_in_chunk)
      .add("all_started_s", outcome.all_started_s)
      .add("virtual_s", outcome.seconds)
      .add("ended", static_cast<double>(outcome.ended))
      .add("each_once", outcome.each_once ? 1 : 0)
      .add("took_s", seconds_since(begin))
      .print();
  return outcome.each_once && (setting.items == 0 || outcome.ended == setting.items) ? 0 : 1;
}
