// How a message travels. One of at most kPiece bytes is one MPI message, tagged `whole`, sent from the very bytes that
// were handed over and received into the very bytes that are handed out. A longer one is announced by its length
// (`begin`) and follows in pieces (`part`), a few at a time, each received into its place. MPI keeps the order between
// two ranks whatever the tags, so what is matched first belongs first:
//
//   send ──► Outbox of the peer ──► MPI_Isend ──► flights: tested together ◄── MPI_Imrecv ◄── Inbox of the peer ──►
//   arrived
//
// What a dead peer leaves behind, requests that never complete and the memory that they may still use, is buried: kept
// for ever, since MPI takes nothing back without the risk of blocking.
#include "transport/mpi_transport.hpp"

#include "transport/mpi_inbox.hpp"
#include "transport/mpi_progress.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace rankpool::transport {
namespace {

/// A message longer than this travels in pieces of this size: counts fit an int, and memory grows with what has
/// arrived. From 1 MiB on the size makes no difference to the speed.
constexpr std::size_t kPiece = std::size_t{4} << 20U;
/// Sends to one peer that are under way at a time, in number and in bytes: enough to hide the latency, few enough for a
/// receiver that needs memory for each.
constexpr unsigned kMaxFlights = 32;
constexpr std::size_t kMaxBytes = 4 * kPiece;
/// MPI passes on shorter ones at once, mostly: looking whether it has saves the bookkeeping.
constexpr std::size_t kShort = std::size_t{64} << 10U;
/// Messages taken in one poll before others get their turn.
constexpr int kMaxTaken = 64;

std::string error_text(int result, const char* what) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int size = 0;
  MPI_Error_string(result, text, &size);
  return std::string(what) + ": " + text;
}

void check(int result, const char* what) {
  if (result != MPI_SUCCESS) throw std::runtime_error(error_text(result, what));
}

/// A message on its way out. MPI reads from it: it stays where it is until its last flight has landed.
struct Outgoing {
  detail::Bytes bytes;
  std::uint64_t length = 0;  ///< what `begin` says
  std::size_t next = 0;      ///< where its next piece begins
  unsigned flights = 0;
  bool begun = false;
  bool posted = false;  ///< to its end
};

struct Outbox {
  std::deque<Outgoing> messages;
  std::size_t posted = 0;  ///< so many of them are posted to their end
  unsigned flights = 0;
  std::size_t bytes = 0;   ///< in flight
  std::size_t unsent = 0;  ///< in flight or not yet posted
  std::uint64_t sent = 0;
};

struct Peer {
  Outbox out;
  Inbox in;
  bool forgotten = false;
};

/// What a request is about: one of the two.
struct Flight {
  Rank peer{};
  Outgoing* outgoing = nullptr;
  Inbox::Entry* incoming = nullptr;
  std::size_t size = 0;
};

/// What MPI may still use though nobody waits for it.
struct Grave {
  std::deque<Outgoing> sends;
  Inbox receives;
  detail::Bytes late;
};

void bury(Grave grave) {
  static auto* const graveyard = new std::vector<Grave>;
  graveyard->push_back(std::move(grave));
}

}  // namespace

class MpiTransport::Impl {
 public:
  Peer& peer(Rank rank) { return peers[static_cast<std::size_t>(raw(rank))]; }

  void forget(Rank rank) {
    Peer& gone = peer(rank);
    if (std::exchange(gone.forgotten, true)) return;
    unsent -= gone.out.unsent;
    incoming -= gone.in.size();
    for (std::size_t i = flights.size(); i-- > 0;) {
      if (flights[i].peer == rank) (void)take_flight(i);
    }
    bury({std::exchange(gone.out.messages, {}), std::exchange(gone.in, {}), {}});
  }
  void break_with(Rank rank, std::string how) {
    if (peer(rank).forgotten) return;
    forget(rank);
    broken.push_back({rank, std::move(how)});
  }

  Flight take_flight(std::size_t i) {
    const Flight flight = flights[i];
    flights[i] = flights.back();
    flights.pop_back();
    requests[i] = requests.back();
    requests.pop_back();
    return flight;
  }
  void add_flight(MPI_Request request, const Flight& flight) {
    requests.push_back(request);
    flights.push_back(flight);
  }

  void send(Rank to, detail::Bytes message) {
    if (peer(to).forgotten) return;
    Outbox& out = peer(to).out;
    const std::size_t size = message.size();
    // Counted before they are posted: a peer that falls asleep in between is rung for them.
    out.sent += size <= kPiece ? 1 : 1 + (size + kPiece - 1) / kPiece;
    MPI_Request request = MPI_REQUEST_NULL;
    const bool at_once = size <= kShort && out.posted == out.messages.size() && out.flights < kMaxFlights;
    if (at_once) {
      const int result = MPI_Isend(message.data(), static_cast<int>(size), MPI_BYTE, raw(to),
                                   static_cast<int>(Tag::whole), communicator, &request);
      if (result != MPI_SUCCESS) return break_with(to, error_text(result, "MPI_Isend"));
      int done = 0;
      MPI_Test(&request, &done, MPI_STATUS_IGNORE);
      if (done != 0) return;
    }
    Outgoing& outgoing = out.messages.emplace_back();
    outgoing.bytes = std::move(message);
    outgoing.length = size;
    unsent += size;
    out.unsent += size;
    if (!at_once) return push(to);
    outgoing.posted = true;
    ++out.posted;
    depart(to, outgoing, request, size);
  }
  void depart(Rank to, Outgoing& message, MPI_Request request, std::size_t size) {
    Outbox& out = peer(to).out;
    ++message.flights;
    ++out.flights;
    out.bytes += size;
    add_flight(request, {to, &message, nullptr, size});
  }
  /// Posts what may be under way.
  void push(Rank to) {
    Outbox& out = peer(to).out;
    while (out.posted < out.messages.size() && out.flights < kMaxFlights && out.bytes < kMaxBytes) {
      Outgoing& message = out.messages[out.posted];
      const bool whole = message.bytes.size() <= kPiece;
      const bool announce = !whole && !message.begun;
      const std::size_t size = announce ? 0 : std::min(kPiece, message.bytes.size() - message.next);
      const void* const data =
          announce ? static_cast<const void*>(&message.length) : message.bytes.data() + message.next;
      const std::size_t count = announce ? sizeof message.length : size;
      const Tag tag = whole ? Tag::whole : announce ? Tag::begin : Tag::part;
      MPI_Request request = MPI_REQUEST_NULL;
      const int result =
          MPI_Isend(data, static_cast<int>(count), MPI_BYTE, raw(to), static_cast<int>(tag), communicator, &request);
      if (result != MPI_SUCCESS) return break_with(to, error_text(result, "MPI_Isend"));
      message.begun = true;
      message.next += size;
      if (!announce && message.next == message.bytes.size()) {
        message.posted = true;
        ++out.posted;
      }
      depart(to, message, request, size);
    }
  }

  bool take_new(std::vector<Incoming>& arrived) {
    int taken = 0;
    for (; taken < kMaxTaken; ++taken) {
      int there = 0;
      MPI_Message message = MPI_MESSAGE_NULL;
      MPI_Status status;
      if (MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, communicator, &there, &message, &status) != MPI_SUCCESS) {
#ifdef OMPI_HAVE_MPI_EXT_FTMPI
        MPIX_Comm_failure_ack(communicator);  // until then a loss hides all messages
#endif
        break;
      }
      if (there == 0) break;
      int count = 0;
      MPI_Get_count(&status, MPI_BYTE, &count);
      const auto size = static_cast<std::size_t>(count);
      const Rank source{status.MPI_SOURCE};
      const Tag tag{status.MPI_TAG};
      Inbox& in = peer(source).in;
      if (peer(source).forgotten) {
        discard(message, size);
      } else if (tag == Tag::whole && size <= kShort && in.empty()) {
        take_short(source, message, size, arrived);
      } else {
        in.matched(tag, message, size);
        ++incoming;
        advance(source, arrived);
      }
    }
    return taken != 0;
  }
  /// The usual case, without a detour through the inbox.
  void take_short(Rank source, MPI_Message message, std::size_t size, std::vector<Incoming>& arrived) {
    Inbox& in = peer(source).in;
    detail::Bytes bytes(size);
    MPI_Request request = MPI_REQUEST_NULL;
    const int result = MPI_Imrecv(bytes.data(), static_cast<int>(size), MPI_BYTE, &message, &request);
    if (result != MPI_SUCCESS) return break_with(source, error_text(result, "MPI_Imrecv"));
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) {
      in.count_received();
      arrived.push_back({source, std::move(bytes)});
      return;
    }
    ++incoming;
    add_flight(request, {source, nullptr, &in.taken(std::move(bytes)), size});
  }
  /// What a peer had sent before it was forgotten still has to leave MPI.
  static void discard(MPI_Message message, std::size_t size) {
    detail::Bytes bytes(size);
    MPI_Request request = MPI_REQUEST_NULL;
    int done = 0;
    if (MPI_Imrecv(bytes.data(), static_cast<int>(size), MPI_BYTE, &message, &request) != MPI_SUCCESS) return;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done == 0) bury({{}, {}, std::move(bytes)});
  }
  /// Starts what can be received now and hands out what is complete.
  void advance(Rank source, std::vector<Incoming>& arrived) {
    Inbox& in = peer(source).in;
    while (true) {
      while (auto start = in.next_to_start()) {
        MPI_Request request = MPI_REQUEST_NULL;
        Inbox::Entry& entry = *start->entry;
        const int result = MPI_Imrecv(start->data, static_cast<int>(entry.size), MPI_BYTE, &entry.message, &request);
        if (result != MPI_SUCCESS) return break_with(source, error_text(result, "MPI_Imrecv"));
        int done = 0;
        if (entry.size <= kShort) MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        entry.done = done != 0;
        if (entry.done) {
          in.count_received();
        } else {
          add_flight(request, {source, nullptr, &entry, entry.size});
        }
      }
      const std::size_t before = in.size();
      if (auto nonsense = in.hand_out(source, arrived)) return break_with(source, std::move(*nonsense));
      incoming -= before - in.size();
      if (before == in.size()) return;
    }
  }

  bool test(std::vector<Incoming>& arrived) {
    const std::size_t size = requests.size();
    indices_.resize(size);
    statuses_.resize(size);
    int count = 0;
    const int result = MPI_Testsome(static_cast<int>(size), requests.data(), &count, indices_.data(), statuses_.data());
    if (count == MPI_UNDEFINED || count == 0) return false;
    done_.clear();
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      done_.emplace_back(static_cast<std::size_t>(indices_[i]),
                         result == MPI_ERR_IN_STATUS ? statuses_[i].MPI_ERROR : MPI_SUCCESS);
    }
    // From the back: taking one out moves only what stands behind it.
    std::sort(done_.begin(), done_.end(), std::greater<>());
    landed_.clear();
    for (const auto& [index, error] : done_) landed_.emplace_back(take_flight(index), error);
    for (const auto& [flight, error] : landed_) land(flight, error);
    for (const auto& [flight, error] : landed_) {
      if (peer(flight.peer).forgotten) continue;
      if (flight.incoming != nullptr) {
        advance(flight.peer, arrived);
      } else {
        push(flight.peer);
      }
    }
    return true;
  }
  void land(const Flight& flight, int error) {
    Peer& with = peer(flight.peer);
    if (with.forgotten) return;
    if (error != MPI_SUCCESS) return break_with(flight.peer, error_text(error, "a transfer"));
    if (flight.incoming != nullptr) {
      flight.incoming->done = true;
      with.in.count_received();
      return;
    }
    Outbox& out = with.out;
    --out.flights;
    out.bytes -= flight.size;
    out.unsent -= flight.size;
    unsent -= flight.size;
    Outgoing& message = *flight.outgoing;
    if (--message.flights == 0 && message.posted) message.bytes = {};
    while (!out.messages.empty() && out.messages.front().posted && out.messages.front().flights == 0) {
      out.messages.pop_front();
      --out.posted;
    }
  }

  MPI_Comm communicator = MPI_COMM_NULL;
  Rank own{};
  std::vector<Peer> peers;
  std::vector<MPI_Request> requests;
  std::vector<Flight> flights;  ///< beside `requests`
  std::vector<BrokenPeer> broken;
  std::size_t unsent = 0;
  std::size_t incoming = 0;  ///< entries of all inboxes
  std::optional<NoYieldInMpi> no_yield;

 private:
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
  std::vector<std::pair<std::size_t, int>> done_;
  std::vector<std::pair<Flight, int>> landed_;
};

MpiTransport::MpiTransport() : impl_(std::make_unique<Impl>()) {
  // Over libfabric Open MPI 4.1 fails to receive what MPI_Improbe has matched (MPI_Imrecv gives MPI_ERR_OTHER, with any
  // program). Distributions switch it off; where they do not, it would be preferred. Whoever sets it has it.
  ::setenv("OMPI_MCA_mtl", "^ofi", 0);
  // Open MPI 5 aborts a rank whose connection to another is reset, whatever the error handler, except with this.
  ::setenv("OMPI_MCA_mpi_ft_enable", "1", 0);
  int level = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS) {
    throw std::runtime_error("MPI_Init_thread failed");
  }
  if (level < MPI_THREAD_FUNNELED) {
    throw std::runtime_error("this MPI does not support threads (MPI_THREAD_FUNNELED), which rankpool needs");
  }
  check(MPI_Comm_dup(MPI_COMM_WORLD, &impl_->communicator), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(impl_->communicator, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  int number = 0;
  int size = 0;
  MPI_Comm_rank(impl_->communicator, &number);
  MPI_Comm_size(impl_->communicator, &size);
  impl_->own = Rank{number};
  impl_->peers.resize(static_cast<std::size_t>(size));
  impl_->no_yield.emplace();
}

MpiTransport::~MpiTransport() {
  for (auto& peer : impl_->peers) {
    if (peer.out.flights != 0 || !peer.in.empty()) bury({std::move(peer.out.messages), std::move(peer.in), {}});
  }
}

Rank MpiTransport::rank() const { return impl_->own; }
int MpiTransport::size() const { return static_cast<int>(impl_->peers.size()); }

void MpiTransport::send(Rank to, detail::Bytes message) { impl_->send(to, std::move(message)); }

bool MpiTransport::poll(std::vector<Incoming>& arrived) {
  bool any = impl_->take_new(arrived);
  if (!impl_->requests.empty()) any |= impl_->test(arrived);
  return any || !impl_->broken.empty();
}

std::vector<BrokenPeer> MpiTransport::take_broken() { return std::exchange(impl_->broken, {}); }
void MpiTransport::forget(Rank peer) { impl_->forget(peer); }
std::size_t MpiTransport::unsent() const { return impl_->unsent; }
bool MpiTransport::busy() const { return impl_->unsent != 0 || impl_->incoming != 0 || !impl_->broken.empty(); }
std::uint64_t MpiTransport::sent_to(Rank peer) const { return impl_->peer(peer).out.sent; }
std::uint64_t MpiTransport::received_from(Rank peer) const { return impl_->peer(peer).in.received(); }

void MpiTransport::finalize() {
  impl_->no_yield.reset();
  MPI_Comm_free(&impl_->communicator);
  MPI_Finalize();
}

std::string MpiTransport::version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int size = 0;
  MPI_Get_library_version(text, &size);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace rankpool::transport
