#include "agent/blob_relay.hpp"

#include "base/foreign_descriptor.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/pace.hpp"
#include "wire/frame_headers.hpp"
#include "wire/shared.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>

namespace rankpool::agent {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10U;
/// So much is on its way to one agent: MPI takes no more of it than the other has taken.
constexpr std::size_t kMaxUnsentToOne = 4 * kPiece;
/// And so much to all: it bounds this process's memory.
constexpr std::size_t kMaxUnsent = 32 * kPiece;
/// So many broadcasts one agent may ask for at a time.
constexpr std::size_t kMaxAsks = 65'536;

std::string name_of(Rank rank) { return "rank " + std::to_string(raw(rank)); }

void answer(host::WorkerHost& host, WorkerId worker, std::uint64_t request, const detail::Bytes& reply) {
  const auto header = wire::CallHeader{wire::FrameKind::reply, request}.frame(reply.size());
  host.write_side(worker, std::as_bytes(std::span(&header, 1)));
  host.write_side(worker, reply);
}

void answer_with_error(host::WorkerHost& host, WorkerId worker, std::uint64_t request, const std::string& why) {
  answer(host, worker, request, wire::shared_reply(wire::SharedStatus::error, std::as_bytes(std::span(why))));
}

}  // namespace

Rank BlobRelay::checked(std::int32_t rank) const {
  if (rank < 0 || rank >= transport_.size() || Rank{rank} == transport_.rank()) {
    throw wire::ProtocolError("a broadcast by way of rank " + std::to_string(rank));
  }
  return Rank{rank};
}

void BlobRelay::handle(const wire::FetchBlob& fetch) {
  const Rank source = checked(fetch.source);
  const auto [found, is_new] = entries_.try_emplace(fetch.id, fetch.id, fetch.size);
  Entry& entry = found->second;
  if (entry.blob.size() != fetch.size) throw wire::ProtocolError("a broadcast of another size");
  if (!is_new && entry.blob.full()) return;  // it came while rank 0 looked for another source
  entry.patience = std::chrono::milliseconds(std::min<std::uint64_t>(fetch.patience_ms, 3'600'000));
  entry.source = source;
  entry.last_piece = last_move_ = Clock::now();
  if (source != transport_.root()) {
    if (cut_.contains(source) || refused_.contains(source)) return give_up_source(fetch.id, entry);
    fetching_.insert(fetch.id);
    send(source, wire::AskForBlob{fetch.id, fetch.size, entry.blob.filled()});
  } else {
    fetching_.erase(fetch.id);
    if (!is_new) to_root_(wire::AskForBlob{fetch.id, fetch.size, entry.blob.filled()});
  }
  if (is_new) tell_if_full(fetch.id, entry);  // nothing need come
}

void BlobRelay::handle(const wire::BlobPart& part) {
  const auto found = entries_.find(part.id);
  if (found == entries_.end()) throw wire::ProtocolError("bytes of a broadcast that was not announced");
  Entry& entry = found->second;
  if (entry.source != transport_.root() || entry.blob.size() != part.size || entry.blob.filled() != part.offset) {
    throw wire::ProtocolError("bytes of a broadcast that do not follow");
  }
  append(part.id, entry, part.bytes);
}

void BlobRelay::append(std::uint64_t id, Entry& entry, std::span<const std::byte> bytes) {
  if (!entry.blob.append(bytes)) throw wire::ProtocolError("a broadcast of another size");
  entry.last_piece = last_move_ = Clock::now();
  tell_if_full(id, entry);
}

void BlobRelay::tell_if_full(std::uint64_t id, Entry& entry) {
  if (!entry.blob.full()) return;
  fetching_.erase(id);
  entry.source.reset();
  wire::BlobHere here{id, 0, -1};
  try {
    const wire::BlobPlace place = entry.blob.place();
    here.pid = place.pid;
    here.fd = static_cast<std::int32_t>(place.fd);
  } catch (const std::system_error& e) {
    base::log_info("other ranks of this node have a copy of their own of broadcast " + std::to_string(id) + ": " +
                   base::explain(e));
  }
  to_root_(here);
  for (const auto& [worker, request] : std::exchange(entry.waiting, {})) {
    host::answer_with_place_of(host_, worker, request, entry.blob);
  }
}

void BlobRelay::handle(const wire::BlobReady& ready) {
  const auto found = entries_.find(ready.id);
  if (found == entries_.end()) throw wire::ProtocolError("a broadcast that is not there");
  if (!found->second.blob.full()) {
    found->second.waiting.emplace_back(ready.worker, ready.request);
  } else {
    host::answer_with_place_of(host_, ready.worker, ready.request, found->second.blob);
  }
}

void BlobRelay::handle(const wire::ForgetBlob& forget) {
  for (auto& [rank, asks] : asks_) asks.by_id.erase(forget.id);
  std::erase_if(asks_, [](const auto& entry) { return entry.second.by_id.empty(); });
  const auto found = entries_.find(forget.id);
  if (found == entries_.end()) return;
  for (const auto& [worker, request] : found->second.waiting) {
    answer_with_error(host_, worker, request, "the broadcast is gone");
  }
  const auto source = found->second.source;
  if (fetching_.erase(forget.id) != 0 && source) send(*source, wire::CancelAsk{forget.id});
  entries_.erase(found);
}

void BlobRelay::handle(const wire::ExpectAsk& expect) {
  const Rank asker = checked(expect.asker);
  const auto asks = asks_.find(asker);
  if (cut_.contains(asker) || (asks != asks_.end() && asks->second.by_id.contains(expect.id))) return;
  expected_[{asker, expect.id}] = last_move_ = Clock::now();
}

void BlobRelay::handle(const wire::RankLost& lost) {
  const Rank rank = checked(lost.rank);
  transport_.forget(rank);
  cut_.insert(rank);
  drop(rank);  // rank 0 names another source
  partings_.erase(rank);
  parted_.erase(rank);
}

void BlobRelay::handle(const wire::MapBlob& map) {
  const wire::BlobPlace place{map.pid, map.fd, map.size};
  try {
    (void)channel::MappedBlob(map.id, place);
    answer(host_, map.worker, map.request,
           wire::shared_reply(wire::SharedStatus::done, std::as_bytes(std::span(&place, 1))));
  } catch (const Error& e) {
    const std::string all = "/proc/" + std::to_string(map.pid) + "/fd";
    const bool shut = ::access(all.c_str(), R_OK | X_OK) != 0;
    base::log_info("a broadcast that another rank of this node has is got anew: " + base::explain(e));
    to_root_(wire::BlobNotMapped{map.worker, map.request, map.id, shut});
  }
}

void BlobRelay::part_with(const std::vector<std::int32_t>& partners) {
  ending_ = true;
  fetching_.clear();
  asks_.clear();
  expected_.clear();
  for (const std::int32_t number : partners) {
    const Rank partner = checked(number);
    if (cut_.contains(partner)) continue;
    send(partner, wire::BlobsDone{});
    if (!parted_.contains(partner)) partings_.insert(partner);
  }
}

bool BlobRelay::parted() const {
  if (!partings_.empty()) return false;
  return std::all_of(parted_.begin(), parted_.end(), [&](Rank rank) { return transport_.unsent_to(rank) == 0; });
}

void BlobRelay::take(Rank from, std::span<const std::byte> envelope) {
  if (cut_.contains(from)) return;
  try {
    wire::EnvelopeReader reader(envelope);
    while (const auto message = reader.next()) {
      if (std::holds_alternative<wire::BlobsDone>(*message)) {
        parted_.insert(from);
        partings_.erase(from);
        drop(from);
      } else if (refused_.contains(from)) {
        continue;
      } else if (const auto* part = std::get_if<wire::BlobPart>(&*message)) {
        take_part(from, *part);
      } else if (const auto* ask = std::get_if<wire::AskForBlob>(&*message)) {
        take_ask(from, *ask);
      } else if (const auto* cancel = std::get_if<wire::CancelAsk>(&*message)) {
        drop_ask(from, cancel->id);
      } else {
        throw wire::ProtocolError("a message that agents do not send each other");
      }
    }
  } catch (const wire::ProtocolError& e) {
    if (!refused_.insert(from).second) return;
    base::log_error(name_of(from) + " sent what makes no sense: " + e.what());
    give_up_all_from(from);
    drop(from);
  }
}

void BlobRelay::take_part(Rank from, const wire::BlobPart& part) {
  const auto found = entries_.find(part.id);
  // It may have been on its way when the broadcast was dropped, or another source was named.
  if (found == entries_.end() || found->second.source != from) return;
  if (found->second.blob.size() != part.size || found->second.blob.filled() != part.offset) {
    throw wire::ProtocolError("bytes of a broadcast that do not follow");
  }
  append(part.id, found->second, part.bytes);
}

void BlobRelay::take_ask(Rank from, const wire::AskForBlob& ask) {
  expected_.erase({from, ask.id});
  if (ending_) return;
  const auto found = entries_.find(ask.id);
  if (ask.offset > ask.size || (found != entries_.end() && found->second.blob.size() != ask.size)) {
    throw wire::ProtocolError("it asks for bytes that a broadcast has not");
  }
  auto& asks = asks_[from];
  if (asks.by_id.size() >= kMaxAsks) throw wire::ProtocolError("it asks for too much");
  asks.by_id[ask.id] = {ask.size, static_cast<std::size_t>(ask.offset)};
  last_move_ = Clock::now();
}

void BlobRelay::drop(Rank with) {
  asks_.erase(with);
  std::erase_if(expected_, [&](const auto& entry) { return entry.first.first == with; });
}

void BlobRelay::drop_ask(Rank rank, std::uint64_t id) {
  const auto asks = asks_.find(rank);
  if (asks != asks_.end() && asks->second.by_id.erase(id) != 0 && asks->second.by_id.empty()) asks_.erase(asks);
}

void BlobRelay::broken(Rank with, const std::string& how) {
  if (!cut_.insert(with).second) return;
  base::log_info("nothing is exchanged with " + name_of(with) + " any more: " + how);
  transport_.forget(with);
  give_up_all_from(with);
  drop(with);
  partings_.erase(with);
  parted_.erase(with);
}

void BlobRelay::give_up_all_from(Rank source) {
  const auto fetching = fetching_;
  for (const std::uint64_t id : fetching) {
    Entry& entry = entries_.at(id);
    if (entry.source == source) give_up_source(id, entry);
  }
}

void BlobRelay::give_up_source(std::uint64_t id, Entry& entry) {
  if (!cut_.contains(*entry.source)) send(*entry.source, wire::CancelAsk{id});
  to_root_(wire::BlobLacking{id, raw(*entry.source)});
  entry.source.reset();
  fetching_.erase(id);
}

void BlobRelay::send(Rank to, const wire::Message& message) {
  detail::Bytes bytes;
  wire::append(bytes, message);
  transport_.send(to, std::move(bytes));
}

bool BlobRelay::advance(Clock::time_point now) {
  bool any = false;
  for (auto& [rank, asks] : asks_) any |= give_next_to(rank, asks);
  std::erase_if(asks_, [](const auto& entry) { return entry.second.by_id.empty(); });
  if (any) last_move_ = now;
  if (!expected_.empty()) {
    std::erase_if(expected_, [&](const auto& entry) { return now - entry.second > pace::kBlobPatience; });
  }
  for (auto at = fetching_.begin(); at != fetching_.end();) {
    const std::uint64_t id = *at++;
    Entry& entry = entries_.at(id);
    if (entry.source && now - entry.last_piece > entry.patience) give_up_source(id, entry);
  }
  return any;
}

bool BlobRelay::give_next_to(Rank rank, Asks& asks) {
  if (transport_.unsent_to(rank) >= kMaxUnsentToOne || transport_.unsent() >= kMaxUnsent) return false;
  // In turn, so that none of them seems to have come to a stop.
  auto at = asks.by_id.upper_bound(asks.last);
  for (std::size_t n = asks.by_id.size(); n > 0; --n, ++at) {
    if (at == asks.by_id.end()) at = asks.by_id.begin();
    auto& [id, ask] = *at;
    const auto found = entries_.find(id);
    if (found == entries_.end()) continue;  // rank 0 has told the other first
    const channel::Blob& blob = found->second.blob;
    const bool same = blob.size() == ask.size;
    const auto there = blob.bytes().first(blob.filled());
    if (same && ask.sent >= there.size() && ask.sent != ask.size) continue;
    asks.last = id;
    if (same && ask.sent != ask.size) {
      const auto part = there.subspan(ask.sent, std::min(there.size() - ask.sent, kPiece));
      send(rank, wire::BlobPart{id, ask.size, ask.sent, part});
      ask.sent += part.size();
    }
    if (ask.sent == ask.size) base::log_info("broadcast " + std::to_string(id) + " passed on to " + name_of(rank));
    if (!same || ask.sent == ask.size) asks.by_id.erase(at);
    return true;
  }
  return false;
}

bool BlobRelay::stuck(Clock::time_point now) const {
  const auto patience = transport_.busy() ? std::chrono::microseconds(pace::kRelayRest) : pace::kRelayWait;
  return active() && now - last_move_ > patience;
}

}  // namespace rankpool::agent
