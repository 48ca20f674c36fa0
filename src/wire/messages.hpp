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

/// Messages: what rank 0 and an agent say to each other. A transport message is an envelope with any number of them.
/// The format is told in PROTOCOL.md.
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
/// The next bytes of a broadcast's `size`. An agent keeps it for all its workers.
struct BlobPart {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  Span bytes;
};
/// All of it has been sent: the worker's request of that number is to be answered with where it is.
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
/// The job ends. `rank_lost`: leave without MPI_Finalize, which would wait for the dead.
struct Quit {
  bool rank_lost = false;
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
/// The agent cannot go on: its keeper is gone, say.
struct Farewell {
  std::string why;
  bool operator==(const Farewell&) const = default;
};

using Message = std::variant<Welcome, StartWorker, Input, KillWorker, Quit, Hello, WorkerStarted, WorkerFailedToStart,
                             Output, WorkerEnded, Farewell, StopRequested, SideInput, SideOutput, BlobPart, BlobReady,
                             ForgetBlob, LargeInput, InputTaken, Received>;

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
