// What MpiTransport does between real ranks, one case a run:  mpi_transport_main CASE
// Exit status 0: as it should be; 77: not enough memory to try.
#include "transport/mpi_session.hpp"
#include "transport/mpi_transport.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

using rankpool::Rank;
using rankpool::detail::Bytes;
using rankpool::transport::Incoming;
using rankpool::transport::MpiTransport;

namespace {

int send_errors = 0;  ///< so many sends from now on fail, after letting `sends_before` through
int sends_before = 0;

}  // namespace

// In the place of MPI's own, which it calls: MPI reports errors hardly ever by itself.
extern "C" int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm communicator,
                         MPI_Request* request) {
  if (send_errors > 0 && sends_before-- <= 0) {
    --send_errors;
    return MPI_ERR_OTHER;
  }
  return PMPI_Isend(data, count, type, to, tag, communicator, request);
}

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

std::uint64_t word(std::size_t i, std::uint64_t seed) { return (i + seed) * 0x9e3779b97f4a7c15U; }

Bytes pattern(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t value = word(i, seed);
    std::memcpy(bytes.data() + i, &value, std::min<std::size_t>(8, size - i));
  }
  return bytes;
}

void require_pattern(const Bytes& bytes, std::size_t size, std::uint64_t seed) {
  require(bytes.size() == size, "a message of " + std::to_string(bytes.size()) + " bytes, not " + std::to_string(size));
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t value = word(i, seed);
    require(std::memcmp(bytes.data() + i, &value, std::min<std::size_t>(8, size - i)) == 0,
            "other bytes than were sent");
  }
}

/// Calls poll until `enough`. The limit is far above what anything takes: 3 GiB took 25 s alone, and 120 s of a machine
/// with much else to do, most of it the kernel's, for fresh memory.
void poll_until(MpiTransport& transport, std::vector<Incoming>& arrived, const std::function<bool()>& enough) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(280);
  while (!enough()) {
    transport.poll(arrived);
    require(std::chrono::steady_clock::now() < until, "nothing more arrives");
  }
}

Bytes receive(MpiTransport& transport, std::vector<Incoming>& arrived) {
  poll_until(transport, arrived, [&] { return !arrived.empty(); });
  Bytes bytes = std::move(arrived.front().bytes);
  arrived.erase(arrived.begin());
  return bytes;
}

/// The same of one rank's messages: others may be ahead, and what they have sent stays in `arrived`.
Bytes receive_from(Rank peer, MpiTransport& transport, std::vector<Incoming>& arrived) {
  const auto first = [&] {
    return std::find_if(arrived.begin(), arrived.end(), [&](const Incoming& one) { return one.from == peer; });
  };
  poll_until(transport, arrived, [&] { return first() != arrived.end(); });
  const auto found = first();
  Bytes bytes = std::move(found->bytes);
  arrived.erase(found);
  return bytes;
}

/// Everything has left, and the others say so too.
void end_together(MpiTransport& transport, std::vector<Incoming>& arrived) {
  poll_until(transport, arrived, [&] { return transport.unsent() == 0; });
  if (transport.rank() == Rank{0}) {
    for (int rank = 1; rank < transport.size(); ++rank) receive(transport, arrived);
    for (int rank = 1; rank < transport.size(); ++rank) transport.send(Rank{rank}, Bytes(1));
  } else {
    transport.send(Rank{0}, Bytes(1));
    receive(transport, arrived);
  }
  poll_until(transport, arrived, [&] { return !transport.busy(); });
  require(arrived.empty(), "a message too many");
  transport.close();
}

/// There and back, of every size around the places where something changes.
void sizes(MpiTransport& transport) {
  std::vector<std::size_t> all{0, 1, 7, 8, 9, 63, 64, 65, 4095, 4096, 4097, 65535, 65536, 65537, kMiB, 3 * kMiB};
  for (const std::size_t edge : {4 * kMiB, 8 * kMiB, 64 * kMiB}) {
    for (const std::size_t size : {edge - 1, edge, edge + 1}) all.push_back(size);
  }
  std::vector<Incoming> arrived;
  for (const std::size_t size : all) {
    if (transport.rank() == Rank{0}) {
      transport.send(Rank{1}, pattern(size, size));
      require_pattern(receive(transport, arrived), size, size);
    } else {
      transport.send(Rank{0}, receive(transport, arrived));
    }
  }
  if (transport.rank() == Rank{0}) {
    // All at once, so that long and short ones stand behind each other.
    for (const std::size_t size : all) transport.send(Rank{1}, pattern(size, size + 1));
    for (const std::size_t size : all) require_pattern(receive(transport, arrived), size, size + 1);
  } else {
    for (std::size_t i = 0; i < all.size(); ++i) transport.send(Rank{0}, receive(transport, arrived));
  }
  require(transport.sent_to(Rank{1 - raw(transport.rank())}) >= 2 * all.size(), "what was sent is not counted");
  end_together(transport, arrived);
}

/// Every rank sends to every other at once; each sees the messages of each in order, short and long ones mixed.
void order(MpiTransport& transport) {
  constexpr std::uint64_t number = 3000;
  const auto size_of = [](std::uint64_t i) {
    return i % 500 == 499 ? 5 * kMiB + i : i % 50 == 49 ? 100'000 : 8 + i % 300;
  };
  const int own = raw(transport.rank());
  std::vector<Incoming> arrived;
  std::map<Rank, std::uint64_t> next;
  std::uint64_t missing = number * static_cast<std::uint64_t>(transport.size() - 1);
  const auto take = [&] {
    for (auto& message : arrived) {
      const std::uint64_t i = next[message.from]++;
      require_pattern(message.bytes, size_of(i), i + static_cast<std::uint64_t>(raw(message.from)));
      --missing;
    }
    arrived.clear();
  };
  for (std::uint64_t i = 0; i < number; ++i) {
    for (int rank = 0; rank < transport.size(); ++rank) {
      if (rank != own) transport.send(Rank{rank}, pattern(size_of(i), i + static_cast<std::uint64_t>(own)));
    }
    transport.poll(arrived);
    take();
  }
  poll_until(transport, arrived, [&] {
    take();
    return missing == 0 && transport.unsent() == 0;
  });
  for (int rank = 0; rank < transport.size(); ++rank) {
    if (rank == own) continue;
    require(transport.sent_to(Rank{rank}) == transport.received_from(Rank{rank}), "sent and received do not agree");
  }
  MPI_Barrier(MPI_COMM_WORLD);
  transport.close();
}

std::size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) << 10U;
  }
  return 0;
}

std::size_t available_memory() {
  std::ifstream facts("/proc/meminfo");
  for (std::string line; std::getline(facts, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) << 10U;
  }
  return 0;
}

/// 3 GiB, beyond any int, in little more memory than they need.
void huge(MpiTransport& transport) {
  const std::size_t size = 3 * 1024 * kMiB + 5;
  std::vector<Incoming> arrived;
  if (transport.rank() == Rank{0}) {
    transport.send(Rank{1}, pattern(size, 3));
  } else {
    require_pattern(receive(transport, arrived), size, 3);
  }
  end_together(transport, arrived);
  require(peak_memory() < size + size / 4, "the peak is " + std::to_string(peak_memory() / kMiB) + " MiB");
}

/// Rank 1 does not take part any more. Rank 0 abandons what is under way to it, and goes on with rank 2.
void forgotten(MpiTransport& transport) {
  std::vector<Incoming> arrived;
  char word = 0;
  if (transport.rank() == Rank{1}) {
    require(receive(transport, arrived).size() == 10, "another first message");
    transport.send(Rank{0}, pattern(20 * kMiB, 1));
    MPI_Recv(&word, 1, MPI_BYTE, 2, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    // What a forgotten one still says is not heard.
    transport.send(Rank{0}, Bytes(10));
    transport.send(Rank{0}, pattern(2 * kMiB, 1));
    for (int i = 0; i < 100; ++i) transport.poll(arrived);
    MPI_Send(&word, 1, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
  } else if (transport.rank() == Rank{2}) {
    for (int i = 0; i < 100; ++i) transport.send(Rank{0}, receive(transport, arrived));
    MPI_Send(&word, 1, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
    for (int i = 0; i < 100; ++i) transport.send(Rank{0}, receive(transport, arrived));
  } else {
    transport.send(Rank{1}, Bytes(10));
    poll_until(transport, arrived, [&] { return transport.received_from(Rank{1}) > 0; });
    transport.send(Rank{1}, pattern(64 * kMiB, 1));
    transport.send(Rank{1}, Bytes(10));
    require(transport.unsent() > 0, "64 MiB have left at once");
    transport.forget(Rank{1});
    transport.forget(Rank{1});
    require(transport.unsent() == 0 && !transport.busy(), "what is abandoned is still counted");
    transport.send(Rank{1}, Bytes(10));
    require(transport.unsent() == 0, "something was sent to a forgotten rank");
    for (std::size_t i = 0; i < 100; ++i) {
      transport.send(Rank{2}, pattern(i * 10'000, i));
      require_pattern(receive(transport, arrived), i * 10'000, i);
    }
    MPI_Recv(&word, 1, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (std::size_t i = 0; i < 100; ++i) {
      transport.send(Rank{2}, Bytes(i));
      require(receive(transport, arrived).size() == i, "a message of the forgotten rank came through");
    }
    require(!transport.busy(), "busy with a forgotten rank");
  }
  poll_until(transport, arrived, [&] { return raw(transport.rank()) == 1 || transport.unsent() == 0; });
  MPI_Barrier(MPI_COMM_WORLD);
}

/// An error of MPI, be it in the middle of a message, breaks with that peer alone, and is told once.
void errors(MpiTransport& transport) {
  std::vector<Incoming> arrived;
  if (transport.rank() == Rank{0}) {
    const bool in_parts = transport.size() > 3;
    sends_before = in_parts ? 2 : 0;
    send_errors = 1;
    transport.send(Rank{1}, Bytes(in_parts ? 20 * kMiB : 10));
    require(transport.poll(arrived), "the error is not told");
    const auto broken = transport.take_broken();
    require(broken.size() == 1 && broken[0].peer == Rank{1}, "another peer is broken");
    require(broken[0].how.starts_with("MPI_Isend: "), "the error says: " + broken[0].how);
    transport.send(Rank{1}, Bytes(10));
    require(transport.take_broken().empty() && transport.unsent() == 0, "it is told twice");
    transport.send(Rank{2}, Bytes(11));
    require(receive(transport, arrived).size() == 11, "the others do not go on");
  } else if (transport.rank() == Rank{2}) {
    transport.send(Rank{0}, receive(transport, arrived));
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/// A transport over some of the ranks, which have other numbers there and serve another than the first: the program's
/// own messages on the same communicator pass it by, and there may be several, beside and after each other.
void parts(MpiTransport& all) {
  const int number = raw(all.rank());
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, number % 2, -number, &half);
  std::vector<Incoming> arrived;  // by `all`
  for (int round = 0; round < 2; ++round) {
    MpiTransport transport(half, Rank{1});
    std::vector<Incoming> arrived_in_half;
    const Rank own = transport.rank();
    const Rank other{1 - raw(own)};
    require(transport.size() == 2 && transport.root() == Rank{1}, "another size or root");
    require((own == Rank{0}) == (number >= 2), "another order of ranks");
    int word = number;
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Isend(&word, 1, MPI_INT, raw(other), static_cast<int>(round), half, &request);
    transport.send(other, pattern(6 * kMiB, static_cast<std::uint64_t>(number)));
    all.send(Rank{(number + 1) % 4}, Bytes(static_cast<std::size_t>(number)));
    require_pattern(receive(transport, arrived_in_half), 6 * kMiB, static_cast<std::uint64_t>((number + 2) % 4));
    const int before = (number + 3) % 4;
    require(receive_from(Rank{before}, all, arrived).size() == static_cast<std::size_t>(before), "another message");
    MPI_Recv(&word, 1, MPI_INT, raw(other), round, half, MPI_STATUS_IGNORE);
    require(word == (number + 2) % 4, "the program's own message is another");
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    poll_until(transport, arrived_in_half, [&] { return !transport.busy(); });
    transport.close();
  }
  MPI_Comm_free(&half);
  end_together(all, arrived);
}

/// Not a test: what a message costs, against bare MPI.
void speed(MpiTransport& transport) {
  using Clock = std::chrono::steady_clock;
  const bool first = transport.rank() == Rank{0};
  std::vector<Incoming> arrived;
  const auto report = [&](const std::string& what, Clock::time_point begin, double rounds, double bytes) {
    if (!first) return;
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count() / rounds;
    std::cout << what << ": " << us << " us";
    if (bytes > 10'000) std::cout << ", " << bytes / us / 1000 << " GB/s";
    std::cout << '\n';
  };
  for (const std::size_t size : {std::size_t{8}, std::size_t{1024}, kMiB, 16 * kMiB, 64 * kMiB}) {
    const int rounds = size < 2000 ? 100'000 : static_cast<int>(256 * kMiB / size);
    const double half = 2.0 * rounds;
    const int count = static_cast<int>(size);
    const std::string text = std::to_string(size) + " bytes one way";
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::vector<char> buffer(size);
      auto begin = Clock::now();
      for (int i = 0; i < rounds; ++i) {
        if (first) MPI_Send(buffer.data(), count, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
        MPI_Recv(buffer.data(), count, MPI_BYTE, first ? 1 : 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (!first) MPI_Send(buffer.data(), count, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
      }
      report(text + ", MPI", begin, half, static_cast<double>(size));
      begin = Clock::now();
      Bytes bytes(size);
      for (int i = 0; i < rounds; ++i) {
        if (first) transport.send(Rank{1}, std::move(bytes));
        bytes = receive(transport, arrived);
        if (!first) transport.send(Rank{0}, std::move(bytes));
      }
      report(text + ", transport", begin, half, static_cast<double>(size));
    }
  }
  poll_until(transport, arrived, [&] { return transport.unsent() == 0; });
  MPI_Barrier(MPI_COMM_WORLD);
  transport.close();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "huge" && available_memory() < 8 * 1024 * kMiB) {
    std::cout << "less than 8 GiB of memory are free\n";
    return 77;
  }
  const std::map<std::string, void (*)(MpiTransport&)> cases{
      {"sizes", sizes},   {"order", order}, {"huge", huge},  {"forgotten", forgotten},
      {"errors", errors}, {"parts", parts}, {"speed", speed}};
  const auto found = cases.find(name);
  if (found == cases.end()) return 2;
  rankpool::transport::MpiSession session;
  MpiTransport transport(session.world());
  try {
    found->second(transport);
  } catch (const std::exception& e) {
    std::cerr << "rank " << raw(transport.rank()) << ": " << e.what() << '\n';
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  session.finalize();
  return 0;
}
