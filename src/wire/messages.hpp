#pragma once

#include "base/ids.hpp"
#include "base/worker_origin.hpp"

#include <rankpool/detail/bytes.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

/// Messages: what rank 0 and an agent say to each other, and agents that pass broadcasts on. A transport message is an
/// envelope with any number of them. The format is told in PROTOCOL.md.
namespace rankpool::wire {

using Span = std::span<const std::byte>;

// rank 0 to agent
/// First message to every agent.
struct Welcome {
  std::vector<std::string> addresses;  ///< of rank 0's lifeline socket
  std::uint16_t port = 0;
  std::vector<std::byte> token;
  std::uint64_t lost_after_ms = 0;
  std::int32_t workers = 0;  ///< RANKPOOL_WORKERS of rank 0, or 0
  // Where ranks of its node find rank 0's wake-up channel (liveness/wake_channel.hpp).
  std::int64_t wakeup_pid = 0;
  std::int32_t wakeup_fd = -1;
  std::uint64_t wakeup_number = 0;
  std::uint64_t wakeup_pid_space = 0;
  // What workers of its node share with rank 0, if it has their channels (host/worker_host.hpp): descriptors of it.
  std::int32_t host_page = -1;
  std::int32_t host_wake = -1;
  bool operator==(const Welcome&) const = default;
};
struct StartWorker {
  WorkerId worker{};
  base::WorkerOrigin origin = base::WorkerOrigin::forked;
  std::int32_t channel_fd = -1;  ///< of rank 0, which has its channel; else the agent makes one
  bool operator==(const StartWorker&) const = default;
};
/// Bytes for the worker's input stream.
struct Input {
  WorkerId worker{};
  Span bytes;
};
/// The same, and the agent answers with InputTaken once it is through.
struct LargeInput {
  WorkerId worker{};
  Span bytes;
};
struct KillWorker {
  WorkerId worker{};
  std::int32_t signal = 0;
  bool operator==(const KillWorker&) const = default;
};
/// Bytes for the worker's side stream, which carries the replies of the shared state past all chunks.
struct SideInput {
  WorkerId worker{};
  Span bytes;
};
/// Bytes of a broadcast of `size`, from `offset` on. An agent keeps it for all its workers, and for those of other
/// ranks of its node; it passes it on to agents that ask for it.
struct BlobPart {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  Span bytes;
};
/// The worker's request of that number is to be answered with where the broadcast is, once all of it is there.
struct BlobReady {
  WorkerId worker{};
  std::uint64_t request = 0;
  std::uint64_t id = 0;
  bool operator==(const BlobReady&) const = default;
};
struct ForgetBlob {
  std::uint64_t id = 0;
  bool operator==(const ForgetBlob&) const = default;
};
/// A broadcast comes from that rank from now on. An agent asks it for what it lacks; but rank 0 begins by itself with
/// one that is new to the agent.
struct FetchBlob {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  std::int32_t source = 0;
  std::uint64_t patience_ms = 0;  ///< if nothing comes for so long it is to say so: BlobLacking
  bool operator==(const FetchBlob&) const = default;
};
/// That agent is about to ask for the broadcast: it cannot wake who is to be asked, rank 0 can.
struct ExpectAsk {
  std::uint64_t id = 0;
  std::int32_t asker = 0;
  bool operator==(const ExpectAsk&) const = default;
};
/// An agent with which this one has exchanged broadcasts is lost.
struct RankLost {
  std::int32_t rank = 0;
  bool operator==(const RankLost&) const = default;
};
/// The worker's request is to be answered with where another process of its node has the broadcast.
struct MapBlob {
  WorkerId worker{};
  std::uint64_t request = 0;
  std::uint64_t id = 0;
  std::int64_t pid = 0;
  std::int32_t fd = -1;
  std::uint64_t size = 0;
  bool operator==(const MapBlob&) const = default;
};
/// The job ends. `rank_lost`: leave without MPI_Finalize, which would wait for the dead.
struct Quit {
  bool rank_lost = false;
  /// With which it has exchanged broadcasts: it parts with them first (BlobsDone).
  std::vector<std::int32_t> partners = {};
  bool operator==(const Quit&) const = default;
};

/// The program is asked to stop: tasks may look.
struct StopRequested {
  bool operator==(const StopRequested&) const = default;
};

/// Rank 0 has received so many of the agent's messages. `busy`: it has much to do, and small ones should gather
/// (base/gathering.hpp). In a message of rank 0's that lacks it, it is not busy.
struct Received {
  std::uint64_t messages = 0;
  bool busy = false;
  bool operator==(const Received&) const = default;
};

// agent to rank 0
/// First message of every agent.
struct Hello {
  std::uint64_t build = 0;
  std::string program;
  std::string host;
  std::int64_t pid = 0;
  std::int64_t keeper_pid = 0;
  std::vector<std::uint32_t> cores;  ///< numbers of the cores it may use
  std::int32_t core_limit = 0;       ///< as many of them as it may keep busy (cgroup quota)
  std::int32_t slurm_cores = 0;      ///< as many as Slurm gives the job there, or 0
  std::int32_t workers = 0;          ///< RANKPOOL_WORKERS, or 0
  std::uint64_t memory = 0;          ///< bytes that the job may use there; 0: not known
  std::int32_t wakeup_pipe = -1;     ///< its own, if it has taken up rank 0's wake-up channel
  bool has_root_page = false;        ///< rank 0 may have the channels of its workers
  std::uint64_t pid_space = 0;       ///< the name space in which its pid means something; 0: not known
  bool passes_on = true;             ///< other ranks may get broadcasts from it
  bool operator==(const Hello&) const = default;
};
struct WorkerStarted {
  WorkerId worker{};
  std::int64_t pid = 0;
  bool operator==(const WorkerStarted&) const = default;
};
struct WorkerFailedToStart {
  WorkerId worker{};
  std::string why;
  bool operator==(const WorkerFailedToStart&) const = default;
};
/// So many more bytes of LargeInput have been taken by the worker.
struct InputTaken {
  WorkerId worker{};
  std::uint64_t size = 0;
  bool operator==(const InputTaken&) const = default;
};
/// Bytes of the worker's output stream.
struct Output {
  WorkerId worker{};
  Span bytes;
};
/// Bytes of the worker's side stream.
struct SideOutput {
  WorkerId worker{};
  Span bytes;
};
struct WorkerEnded {
  WorkerId worker{};
  std::int64_t pid = 0;
  std::int32_t wait_status = 0;
  bool inside_item = false;
  bool operator==(const WorkerEnded&) const = default;
};
/// All of the broadcast is here: processes of its node find it under that descriptor. -1: they do not.
struct BlobHere {
  std::uint64_t id = 0;
  std::int64_t pid = 0;
  std::int32_t fd = -1;
  bool operator==(const BlobHere&) const = default;
};
/// Nothing more of the broadcast comes from that agent: another source is wanted.
struct BlobLacking {
  std::uint64_t id = 0;
  std::int32_t source = 0;
  bool operator==(const BlobLacking&) const = default;
};
/// The answer to MapBlob if it cannot be had from there. `shut`: nothing of that process can.
struct BlobNotMapped {
  WorkerId worker{};
  std::uint64_t request = 0;
  std::uint64_t id = 0;
  bool shut = false;
  bool operator==(const BlobNotMapped&) const = default;
};

// agent to agent or rank 0
/// The rest of the broadcast is wanted, from `offset` on.
struct AskForBlob {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  bool operator==(const AskForBlob&) const = default;
};
/// It is not wanted any more. Agent to agent.
struct CancelAsk {
  std::uint64_t id = 0;
  bool operator==(const CancelAsk&) const = default;
};
/// The last message between two agents.
struct BlobsDone {
  bool operator==(const BlobsDone&) const = default;
};

/// The agent cannot go on: its keeper is gone, say.
struct Farewell {
  std::string why;
  bool operator==(const Farewell&) const = default;
};

using Message = std::variant<Welcome, StartWorker, Input, KillWorker, Quit, Hello, WorkerStarted, WorkerFailedToStart,
                             Output, WorkerEnded, Farewell, StopRequested, SideInput, SideOutput, BlobPart, BlobReady,
                             ForgetBlob, LargeInput, InputTaken, Received, FetchBlob, ExpectAsk, RankLost, MapBlob,
                             BlobHere, BlobLacking, BlobNotMapped, AskForBlob, CancelAsk, BlobsDone>;

/// A message that is not one.
class ProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Begins an envelope: every transport message starts so.
void begin_envelope(detail::Bytes& to);
/// Appends one message. An empty `to` gets its envelope first.
void append(detail::Bytes& to, const Message& message);

/// Appends an Input whose bytes stand in several places.
void append_input(detail::Bytes& to, WorkerId worker, Span header, const std::vector<Span>& body);

/// Appends the workers of whose output there are bytes in the envelope. Of one that cannot be read, some.
void note_senders(Span envelope, std::vector<WorkerId>& workers);

/// Reads an envelope. Spans and texts that it gives out refer to the envelope's bytes.
class EnvelopeReader {
 public:
  /// Throws ProtocolError if this is no envelope of our version.
  explicit EnvelopeReader(Span envelope);
  /// The next message, or nothing at the end. Throws ProtocolError for what cannot be read.
  std::optional<Message> next();

 private:
  Span rest_;
};

}  // namespace rankpool::wire
