// What the steps of a hand-over cost, in nanoseconds. Names are those of the options: --frame=140 sets Costs::frame.
#pragma once

#include "measure.hpp"

#include <string>

namespace bench::simulation {

struct Costs {
  // rank 0's engine thread, in CPU time (bench_rank_zero_cost, bench_message_cost)
  double chunk = 300;    ///< the scheduler's decision, the frame of the chunk, the end of the chunk
  double frame = 100;    ///< a frame with results, whether it ends its chunk or not
  double item = 2;       ///< of a chunk, in and out
  double receive = 300;  ///< a message
  double send = 300;     ///< a message
  double tell = 1'500;   ///< a signal on a lifeline: somebody sleeps, or is to wake up
  double hear = 1'500;   ///< the same at the other end
  double pass = 100;     ///< a pass of the loop, of the engine or of an agent
  // an agent
  double relay = 100;  ///< a frame, in either direction
  // a worker
  double worker_chunk = 1'000;
  double worker_item = 30;
  // the machine
  double wake = 20'000;      ///< from a wakeup to the one who slept being at work
  double latency = 2'000;    ///< of the network, one way
  double bandwidth = 10e9;   ///< bytes a second of rank 0's link, each way
  double item_bytes = 8;     ///< an argument, and a result
  double frame_bytes = 100;  ///< a frame with its envelope

  static Costs from_options(int argc, char** argv) {
    Costs costs;
    const auto take = [&](const char* name, double& value) {
      value = std::stod(text_option(argc, argv, name, std::to_string(value)));
    };
    take("chunk", costs.chunk);
    take("frame", costs.frame);
    take("item", costs.item);
    take("receive", costs.receive);
    take("send", costs.send);
    take("tell", costs.tell);
    take("hear", costs.hear);
    take("pass", costs.pass);
    take("relay", costs.relay);
    take("worker-chunk", costs.worker_chunk);
    take("worker-item", costs.worker_item);
    take("wake", costs.wake);
    take("latency", costs.latency);
    take("bandwidth", costs.bandwidth);
    take("item-bytes", costs.item_bytes);
    take("frame-bytes", costs.frame_bytes);
    return costs;
  }
};

}  // namespace bench::simulation
