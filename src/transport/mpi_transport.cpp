#include "transport/mpi_transport.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>
#include <stdexcept>
#include <utility>

namespace rankpool::transport {
namespace {

constexpr int kTag = 1;
/// A message longer than this travels in pieces of this size: counts fit an int, and memory grows with what has
/// arrived.
constexpr std::size_t kPiece = std::size_t{4} << 20U;

void check(int result, const char* what) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int size = 0;
  MPI_Error_string(result, text, &size);
  throw std::runtime_error(std::string(what) + ": " + text);
}

/// Stands before the first piece of a message.
struct PieceHeader {
  std::uint64_t length = 0;  ///< of the whole message
};

}  // namespace

class MpiTransport::Impl {
 public:
  struct Sending {
    Rank to{};
    MPI_Request request = MPI_REQUEST_NULL;
    detail::Bytes bytes;                   // of a small message with its header
    std::shared_ptr<detail::Bytes> whole;  // of a large one: pieces point into it
    std::size_t size = 0;
  };
  struct Receiving {
    MPI_Request request = MPI_REQUEST_NULL;
    detail::Bytes bytes;
    bool there = false;
  };
  struct Peer {
    bool forgotten = false;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::deque<Receiving> receiving;  // in the order in which MPI matched them
    detail::Bytes partial;
    std::uint64_t missing = 0;
  };

  void post(Rank to, Sending sending, const std::byte* data, std::size_t size) {
    sending.to = to;
    sending.size = size;
    check(MPI_Isend(data, static_cast<int>(size), MPI_BYTE, raw(to), kTag, communicator, &sending.request),
          "MPI_Isend");
    ++peer(to).sent;
    int done = 0;
    MPI_Test(&sending.request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return;
    unsent += size;
    out.push_back(std::move(sending));
  }
  Peer& peer(Rank rank) { return peers[static_cast<std::size_t>(raw(rank))]; }

  bool take_new() {
    bool any = false;
    for (int round = 0; round < 64; ++round) {
      int there = 0;
      MPI_Message message = MPI_MESSAGE_NULL;
      MPI_Status status;
      if (MPI_Improbe(MPI_ANY_SOURCE, kTag, communicator, &there, &message, &status) != MPI_SUCCESS || there == 0)
        break;
      any = true;
      int size = 0;
      MPI_Get_count(&status, MPI_BYTE, &size);
      Receiving receiving;
      receiving.bytes = detail::Bytes(static_cast<std::size_t>(size));
      check(MPI_Imrecv(receiving.bytes.data(), size, MPI_BYTE, &message, &receiving.request), "MPI_Imrecv");
      ++incoming;
      peer(Rank{status.MPI_SOURCE}).receiving.push_back(std::move(receiving));
      active.push_back(Rank{status.MPI_SOURCE});
    }
    return any;
  }
  bool progress_receiving(std::vector<Incoming>& arrived) {
    bool any = false;
    for (std::size_t i = 0; i < active.size();) {
      Peer& from = peer(active[i]);
      while (!from.receiving.empty()) {
        Receiving& first = from.receiving.front();
        int done = 0;
        if (from.forgotten || MPI_Test(&first.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done == 0) break;
        any = true;
        --incoming;
        ++from.received;
        const Rank source = active[i];
        detail::Bytes bytes = std::move(first.bytes);
        from.receiving.pop_front();
        assemble(source, from, std::move(bytes), arrived);
      }
      if (from.receiving.empty() || from.forgotten) {
        active[i] = active.back();
        active.pop_back();
      } else {
        ++i;
      }
    }
    return any;
  }
  static void assemble(Rank source, Peer& from, detail::Bytes bytes, std::vector<Incoming>& arrived) {
    if (from.missing == 0) {
      PieceHeader header;
      if (bytes.size() < sizeof header) throw std::runtime_error("an MPI message without its header");
      std::memcpy(&header, bytes.data(), sizeof header);
      const std::size_t there = bytes.size() - sizeof header;
      if (header.length < there) throw std::runtime_error("an MPI message longer than it says");
      detail::Bytes content;
      if (header.length == there) {
        std::memmove(bytes.data(), bytes.data() + sizeof header, there);
        bytes.truncate(there);
        content = std::move(bytes);
        arrived.push_back({source, std::move(content)});
        return;
      }
      from.partial.append(bytes.data() + sizeof header, there);
      from.missing = header.length - there;
      return;
    }
    if (bytes.size() > from.missing) throw std::runtime_error("a piece of an MPI message longer than what was missing");
    from.partial.append(bytes.data(), bytes.size());
    from.missing -= bytes.size();
    if (from.missing == 0) arrived.push_back({source, std::exchange(from.partial, detail::Bytes())});
  }
  bool progress_sending() {
    bool any = false;
    std::erase_if(out, [&](Sending& sending) {
      if (peer(sending.to).forgotten) return false;
      int done = 0;
      if (MPI_Test(&sending.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done == 0) return false;
      unsent -= sending.size;
      any = true;
      return true;
    });
    return any;
  }

  MPI_Comm communicator = MPI_COMM_NULL;
  Rank own{};
  std::vector<Peer> peers;
  std::vector<Sending> out;
  std::vector<Rank> active;
  std::size_t unsent = 0;
  std::size_t incoming = 0;
};

MpiTransport::MpiTransport() : impl_(std::make_unique<Impl>()) {
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
}

MpiTransport::~MpiTransport() {
  // Buffers that MPI may still use stay for ever.
  for (auto& sending : impl_->out) (void)new Impl::Sending(std::move(sending));
  for (auto& peer : impl_->peers) {
    if (!peer.receiving.empty()) (void)new std::deque<Impl::Receiving>(std::move(peer.receiving));
  }
}

Rank MpiTransport::rank() const { return impl_->own; }
int MpiTransport::size() const { return static_cast<int>(impl_->peers.size()); }

void MpiTransport::send(Rank to, detail::Bytes message) {
  auto& i = *impl_;
  if (i.peer(to).forgotten) return;
  PieceHeader header{message.size()};
  if (message.size() + sizeof header <= kPiece) {
    Impl::Sending sending;
    sending.bytes.reserve_more(sizeof header + message.size());
    sending.bytes.append(&header, sizeof header);
    sending.bytes.append(message.data(), message.size());
    const auto* const data = sending.bytes.data();
    const std::size_t size = sending.bytes.size();
    i.post(to, std::move(sending), data, size);
    return;
  }
  Impl::Sending first;
  first.bytes.append(&header, sizeof header);
  const auto* const data = first.bytes.data();
  i.post(to, std::move(first), data, sizeof header);
  const auto whole = std::make_shared<detail::Bytes>(std::move(message));
  for (std::size_t at = 0; at < whole->size(); at += kPiece) {
    Impl::Sending piece;
    piece.whole = whole;
    i.post(to, std::move(piece), whole->data() + at, std::min(kPiece, whole->size() - at));
  }
}

bool MpiTransport::poll(std::vector<Incoming>& arrived) {
  auto& i = *impl_;
  bool any = i.take_new();
  if (!i.active.empty()) any |= i.progress_receiving(arrived);
  if (!i.out.empty()) any |= i.progress_sending();
  return any;
}

void MpiTransport::forget(Rank peer) {
  auto& i = *impl_;
  i.peer(peer).forgotten = true;
  i.incoming -= i.peer(peer).receiving.size();
  for (const auto& sending : i.out) {
    if (sending.to == peer) i.unsent -= sending.size;
  }
}

std::size_t MpiTransport::unsent() const { return impl_->unsent; }
bool MpiTransport::busy() const { return impl_->unsent != 0 || impl_->incoming != 0; }
std::uint64_t MpiTransport::sent_to(Rank peer) const { return impl_->peers[static_cast<std::size_t>(raw(peer))].sent; }
std::uint64_t MpiTransport::received_from(Rank peer) const {
  return impl_->peers[static_cast<std::size_t>(raw(peer))].received;
}

void MpiTransport::finalize() {
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
