// How a message travels. One of at most kPiece bytes is one MPI message, tagged `whole`, sent from the very bytes that
// were handed over and received into the very bytes that are handed out. A longer one is announced by its length
// (`begin`) and follows in pieces (`part`), a few at a time, each received into its place. MPI keeps the order between
// two ranks whatever the tags, so what is matched first belongs first.
//
// clang-format off
//   send() ─► Outbox of the peer ─► MPI_Isend ─┐
//                                              ├─► flights, tested together
//   poll() ◄─ Inbox of the peer ◄─ MPI_Imrecv ─┘
// clang-format on
//
// What a dead peer leaves behind, requests that never complete and the memory that they may still use, is kept for ever
// (Abandoned), since MPI takes nothing back without the risk of blocking.
#include "transport/mpi_transport.hpp"

#include "transport/mpi_inbox.hpp"
#include "transport/mpi_outbox.hpp"
#include "transport/mpi_progress.hpp"

#include <algorithm>
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

struct Peer {
  Outbox out;
  Inbox in;
  bool forgotten = false;
};

/// What a request is about: one of the two.
struct Flight {
  Rank peer{};
  Outbox::Message* outgoing = nullptr;
  Inbox::Entry* incoming = nullptr;
  std::size_t size = 0;
};

/// What MPI may still use though nobody waits for it.
struct Abandoned {
  std::deque<Outbox::Message> sends;
  Inbox receives;
  detail::Bytes late;
};

void keep_for_ever(Abandoned abandoned) {
  static auto* const all = new std::vector<Abandoned>;
  all->push_back(std::move(abandoned));
}

}  // namespace

class MpiTransport::Impl {
 public:
  Peer& peer(Rank rank) { return peers[static_cast<std::size_t>(raw(rank))]; }

  void forget(Rank rank) {
    Peer& gone = peer(rank);
    if (std::exchange(gone.forgotten, true)) return;
    unsent -= gone.out.unsent();
    incoming -= gone.in.size();
    for (std::size_t i = flights.size(); i-- > 0;) {
      if (flights[i].peer == rank) (void)take_flight(i);
    }
    keep_for_ever({gone.out.abandon(), std::exchange(gone.in, {}), {}});
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
    out.count(size);
    if (size > kShort || !out.free()) {
      unsent += size;
      out.push(std::move(message));
      return push(to);
    }
    MPI_Request request = MPI_REQUEST_NULL;
    const int result = MPI_Isend(message.data(), static_cast<int>(size), MPI_BYTE, raw(to),
                                 static_cast<int>(Tag::whole), communicator, &request);
    if (result != MPI_SUCCESS) return break_with(to, error_text(result, "MPI_Isend"));
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return;
    unsent += size;
    add_flight(request, {to, &out.posted(std::move(message)), nullptr, size});
  }
  /// Posts what may be under way.
  void push(Rank to) {
    Outbox& out = peer(to).out;
    while (const auto start = out.next_to_start()) {
      MPI_Request request = MPI_REQUEST_NULL;
      const int result = MPI_Isend(start->data, static_cast<int>(start->count), MPI_BYTE, raw(to),
                                   static_cast<int>(start->tag), communicator, &request);
      if (result != MPI_SUCCESS) return break_with(to, error_text(result, "MPI_Isend"));
      out.started(*start);
      add_flight(request, {to, start->message, nullptr, start->size});
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
    if (done == 0) keep_for_ever({{}, {}, std::move(bytes)});
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
    with.out.landed(*flight.outgoing, flight.size);
    unsent -= flight.size;
  }

  MPI_Comm communicator = MPI_COMM_NULL;
  Rank own{};
  Rank root{};
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

MpiTransport::MpiTransport(MPI_Comm over, Rank root) : impl_(std::make_unique<Impl>()) {
  check(MPI_Comm_dup(over, &impl_->communicator), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(impl_->communicator, MPI_ERRORS_RETURN);
  int number = 0;
  int size = 0;
  MPI_Comm_rank(impl_->communicator, &number);
  MPI_Comm_size(impl_->communicator, &size);
  impl_->own = Rank{number};
  impl_->root = root;
  impl_->peers.resize(static_cast<std::size_t>(size));
  impl_->no_yield.emplace();
}

MpiTransport::~MpiTransport() {
  for (auto& peer : impl_->peers) {
    if (peer.out.flights() != 0 || !peer.in.empty()) keep_for_ever({peer.out.abandon(), std::move(peer.in), {}});
  }
}

Rank MpiTransport::rank() const { return impl_->own; }
Rank MpiTransport::root() const { return impl_->root; }
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
std::size_t MpiTransport::unsent_to(Rank peer) const { return impl_->peer(peer).out.unsent(); }
bool MpiTransport::busy() const { return impl_->unsent != 0 || impl_->incoming != 0 || !impl_->broken.empty(); }
std::uint64_t MpiTransport::sent_to(Rank peer) const { return impl_->peer(peer).out.sent(); }
std::uint64_t MpiTransport::received_from(Rank peer) const { return impl_->peer(peer).in.received(); }

void MpiTransport::close() {
  impl_->no_yield.reset();
  MPI_Comm_free(&impl_->communicator);
}

}  // namespace rankpool::transport
