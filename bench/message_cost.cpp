// What a short message and a signal on a lifeline cost the thread that sends or receives them, in CPU time. Two ranks:
// the real MpiTransport between them; the lifelines are this process's own, over the loopback interface.
#include "measure.hpp"

#include "liveness/lifeline.hpp"
#include "transport/mpi_session.hpp"
#include "transport/mpi_transport.hpp"

#include <poll.h>

namespace {

using namespace rankpool;
using detail::Bytes;

constexpr Rank kZero{0};
constexpr Rank kOne{1};
/// As long as one with a chunk or a result of eight bytes.
constexpr std::size_t kSize = 80;
/// Few enough to wait in MPI's own buffers.
constexpr int kBurst = 16;

Bytes message() { return Bytes(kSize); }

/// Messages received; a shorter one means the end.
int take(transport::Transport& transport, bool& ended) {
  std::vector<transport::Incoming> arrived;
  transport.poll(arrived);
  for (const auto& one : arrived) ended |= one.bytes.size() < kSize;
  return static_cast<int>(arrived.size());
}

/// Answers bursts with bursts.
void echo(transport::Transport& transport) {
  bool ended = false;
  for (int had = 0; !ended;) {
    had += take(transport, ended);
    if (had < kBurst) continue;
    had -= kBurst;
    for (int i = 0; i < kBurst; ++i) transport.send(kZero, message());
  }
}

void measure(transport::Transport& transport, long rounds, bench::Report& report) {
  std::vector<double> send;
  std::vector<double> receive;
  bool ended = false;
  for (long round = 0; round < rounds; ++round) {
    const double begin = bench::thread_cpu_ns();
    for (int i = 0; i < kBurst; ++i) transport.send(kOne, message());
    send.push_back((bench::thread_cpu_ns() - begin) / kBurst);
    for (int had = 0; had < kBurst;) {
      ::poll(nullptr, 0, 1);  // until all of them are there
      const double before = bench::thread_cpu_ns();
      const int now = take(transport, ended);
      if (now == kBurst) receive.push_back((bench::thread_cpu_ns() - before) / kBurst);
      had += now;
    }
  }
  transport.send(kOne, Bytes(1));
  report.add("send_ns", bench::quantile(send, 0.5))
      .add("receive_ns", receive.empty() ? 0 : bench::quantile(receive, 0.5));
  report.add("bursts", static_cast<double>(receive.size()));
}

void measure_lifelines(long rounds, bench::Report& report) {
  liveness::LifelineServer server(2, {std::chrono::seconds(10), "lo"});
  std::vector<liveness::LifelineEvent> events;
  liveness::Lifeline line(kOne, server.invitation(), {std::chrono::seconds(10), "lo"});
  const auto joined = [&] { return !events.empty() && events.back().kind == liveness::LifelineEvent::Kind::joined; };
  while (!joined()) server.poll(events);
  std::vector<double> tell;
  std::vector<double> hear;
  for (long round = 0; round < rounds; ++round) {
    const double begin = bench::thread_cpu_ns();
    server.ring(kOne);
    tell.push_back(bench::thread_cpu_ns() - begin);
    events.clear();
    while (!line.poll(events)) continue;
    line.asleep(0);
    events.clear();
    const double before = bench::thread_cpu_ns();
    if (server.poll(events)) hear.push_back(bench::thread_cpu_ns() - before);
    while (events.empty()) server.poll(events);
  }
  report.add("tell_ns", bench::quantile(tell, 0.5)).add("hear_ns", bench::quantile(hear, 0.5));
}

}  // namespace

int main(int argc, char** argv) {
  const long rounds = bench::option(argc, argv, "rounds", 1000);
  transport::MpiSession session;
  transport::MpiTransport transport(session.world());
  if (transport.rank() == kZero) {
    bench::Report report;
    measure(transport, rounds, report);
    measure_lifelines(10 * rounds, report);
    report.print();
  } else {
    echo(transport);
  }
  transport.close();
  session.finalize();
}
