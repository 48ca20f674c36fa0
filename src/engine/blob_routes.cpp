#include "engine/blob_routes.hpp"

#include "base/log.hpp"
#include "base/pace.hpp"
#include "wire/frame_headers.hpp"
#include "wire/shared.hpp"

#include <algorithm>
#include <atomic>
#include <span>
#include <system_error>

namespace rankpool::engine {
namespace {

/// A rank to which nothing came from so many others gets all from rank 0; one from which nothing came so often is no
/// source any more.
constexpr int kMostDisappointments = 2;
constexpr int kMostComplaints = 2;

std::atomic<std::uint64_t> g_bytes_sent{0};

std::string name_of(Rank rank) { return "rank " + std::to_string(raw(rank)); }

}  // namespace

void BlobRoutes::joined(Rank rank, Node node, bool passes_on) {
  Peer& peer = peers_[rank];
  peer.node = std::move(node);
  peer.passes_on = passes_on;
}

BlobRoutes::Peer& BlobRoutes::peer(Rank rank) { return peers_[rank]; }

void BlobRoutes::asked(Rank rank, WorkerId worker, std::uint64_t request, std::uint64_t id,
                       const std::shared_ptr<const channel::Blob>& content) {
  const auto found = broadcasts_.try_emplace(id, Broadcast{content, BlobSources(root_), {}, {}, {}}).first;
  answer({rank, worker, request}, id, found->second);
  flush();
}

void BlobRoutes::answer(const Asked& asked, std::uint64_t id, Broadcast& broadcast) {
  if (!broadcast.sources.knows(asked.rank)) {
    if (shares(asked, id, broadcast)) return;
    give_copy(asked.rank, id, broadcast);
  }
  say(asked.rank, wire::BlobReady{asked.worker, asked.request, id});
}

bool BlobRoutes::shares(const Asked& asked, std::uint64_t id, Broadcast& broadcast) {
  const Peer& own = peer(asked.rank);
  if (!own.maps || own.node.pid_space == 0) return false;
  if (own.node == own_) {
    try {
      const wire::BlobPlace place = broadcast.content->place();
      tell_where(asked, id, {place.pid, static_cast<std::int32_t>(place.fd)}, broadcast.content->size());
      return true;
    } catch (const std::system_error&) {  // no descriptor for it
      return false;
    }
  }
  const auto first = broadcast.first_of_node.find(own.node);
  if (first == broadcast.first_of_node.end()) return false;
  const auto place = broadcast.places.find(first->second);
  if (place == broadcast.places.end()) {
    broadcast.waiting[first->second].push_back(asked);
    return true;
  }
  if (place->second.fd < 0) return false;
  tell_where(asked, id, place->second, broadcast.content->size());
  return true;
}

void BlobRoutes::give_copy(Rank rank, std::uint64_t id, Broadcast& broadcast) {
  const Peer& own = peer(rank);
  const bool small = broadcast.content->size() <= kSmall;
  const bool passes_on = own.passes_on && !small && complaints_[rank] < kMostComplaints;
  const bool from_root = small || own.disappointments >= kMostDisappointments;
  const auto source = broadcast.sources.add(rank, passes_on, from_root);
  if (own.node.pid_space != 0) broadcast.first_of_node.try_emplace(own.node, rank);
  send_from(rank, source, id, broadcast, true);
}

void BlobRoutes::send_from(Rank to, const BlobSources::Source& source, std::uint64_t id, Broadcast& broadcast,
                           bool is_new) {
  // Who is further away from who has it all waits longer: where nothing comes, the one next to the fault says so first.
  const auto patience = static_cast<std::uint64_t>(std::chrono::milliseconds(pace::kBlobPatience).count() *
                                                   (source.depth + (is_new ? 0 : 1)));
  say(to, wire::FetchBlob{id, broadcast.content->size(), raw(source.rank), patience});
  if (source.rank != root_) {
    say(source.rank, wire::ExpectAsk{id, raw(to)});
    peer(to).partners.insert(source.rank);
    peer(source.rank).partners.insert(to);
  } else if (is_new) {
    push(to, id, broadcast, 0);
  }
}

void BlobRoutes::push(Rank to, std::uint64_t id, const Broadcast& broadcast, std::size_t offset) {
  const std::size_t size = broadcast.content->size();
  if (offset == size) return;
  if (size <= kSmall) {  // at once, with the rest of the message
    const auto bytes = broadcast.content->bytes().subspan(offset);
    say(to, wire::BlobPart{id, size, offset, bytes});
    g_bytes_sent += bytes.size();
    return;
  }
  pushes_[to].by_id[id] = {broadcast.content, offset, offset};
}

bool BlobRoutes::send_pieces(const std::function<bool(Rank)>& room) {
  bool any = false;
  for (auto of_rank = pushes_.begin(); of_rank != pushes_.end();) {
    auto& [rank, pushes] = *of_rank;
    if (!room(rank)) {
      ++of_rank;
      continue;
    }
    any = true;
    // In turn, so that none of them seems to have come to a stop.
    auto at = pushes.by_id.upper_bound(pushes.last);
    if (at == pushes.by_id.end()) at = pushes.by_id.begin();
    auto& [id, push] = *at;
    pushes.last = id;
    const auto left = push.content->bytes().subspan(push.sent);
    const auto part = left.first(std::min(left.size(), kPiece));
    say(rank, wire::BlobPart{id, push.content->size(), push.sent, part});
    push.sent += part.size();
    g_bytes_sent += part.size();
    if (part.size() == left.size()) {
      base::log_info("broadcast " + std::to_string(id) + " sent to " + name_of(rank) + ": " +
                     std::to_string(push.sent - push.first) + " bytes; rank 0 has sent " +
                     std::to_string(bytes_sent()) + " bytes of broadcasts so far");
      pushes.by_id.erase(at);
    }
    of_rank = pushes.by_id.empty() ? pushes_.erase(of_rank) : std::next(of_rank);
  }
  flush();
  return any;
}

void BlobRoutes::forgotten(std::uint64_t id) {
  const auto found = broadcasts_.find(id);
  if (found == broadcasts_.end()) return;
  for (const Rank rank : found->second.sources.ranks()) {
    say(rank, wire::ForgetBlob{id});
    const auto pushes = pushes_.find(rank);
    if (pushes == pushes_.end()) continue;
    pushes->second.by_id.erase(id);
    if (pushes->second.by_id.empty()) pushes_.erase(pushes);
  }
  for (const auto& [first, waiting] : found->second.waiting) {
    for (const Asked& asked : waiting) answer_with_error(asked, "the broadcast is gone");
  }
  broadcasts_.erase(found);
  flush();
}

void BlobRoutes::lost(Rank rank) {
  const auto gone = peers_.extract(rank);
  pushes_.erase(rank);
  complaints_.erase(rank);
  touched_.erase(rank);
  if (gone.empty()) return;
  for (const Rank partner : gone.mapped().partners) {
    peer(partner).partners.erase(rank);
    say(partner, wire::RankLost{raw(rank)});
  }
  for (auto& [id, broadcast] : broadcasts_) {
    for (const auto& [receiver, source] : broadcast.sources.lost(rank)) {
      base::log_info("broadcast " + std::to_string(id) + ": " + name_of(receiver) + " gets the rest from " +
                     name_of(source.rank) + ", since " + name_of(rank) + " is lost");
      send_from(receiver, source, id, broadcast, false);
    }
    broadcast.places.erase(rank);
    std::erase_if(broadcast.first_of_node, [&](const auto& entry) { return entry.second == rank; });
    for (auto& [first, waiting] : broadcast.waiting) {
      std::erase_if(waiting, [&](const Asked& asked) { return asked.rank == rank; });
    }
    const auto orphans = broadcast.waiting.extract(rank);
    if (orphans.empty()) continue;
    for (const Asked& asked : orphans.mapped()) answer(asked, id, broadcast);
  }
  flush();
}

void BlobRoutes::handle(Rank from, const wire::BlobHere& message) {
  const auto found = broadcasts_.find(message.id);
  if (found == broadcasts_.end()) return;  // gone meanwhile
  Broadcast& broadcast = found->second;
  if (!broadcast.sources.knows(from) || !broadcast.sources.source_of(from)) {
    throw wire::ProtocolError("a broadcast that it was not getting");
  }
  broadcast.sources.complete(from);
  broadcast.places[from] = {message.pid, message.fd};
  const auto waiting = broadcast.waiting.extract(from);
  if (!waiting.empty()) {
    for (const Asked& asked : waiting.mapped()) answer(asked, message.id, broadcast);
  }
  flush();
}

void BlobRoutes::handle(Rank from, const wire::BlobLacking& message) {
  const auto found = broadcasts_.find(message.id);
  if (found == broadcasts_.end()) return;
  Broadcast& broadcast = found->second;
  const Rank source{message.source};
  if (source == root_) throw wire::ProtocolError("a broadcast that rank 0 does not send");
  if (!broadcast.sources.knows(from) || broadcast.sources.source_of(from) != source) return;  // it has another already
  base::log_info("broadcast " + std::to_string(message.id) + ": nothing comes to " + name_of(from) + " from " +
                 name_of(source) + ": it gets the rest from another");
  ++peer(from).disappointments;
  if (++complaints_[source] == kMostComplaints) {
    base::log_info(name_of(source) + " is asked for no more broadcasts");
    for (auto& [id, other] : broadcasts_) other.sources.distrust(source);
  }
  send_from(from, broadcast.sources.lacking(from), message.id, broadcast, false);
  flush();
}

void BlobRoutes::handle(Rank from, const wire::BlobNotMapped& message) {
  const Asked asked{from, message.worker, message.request};
  Peer& own = peer(from);
  if (message.shut && std::exchange(own.maps, false)) {
    base::log_info(name_of(from) +
                   " has copies of its own of broadcasts, though others of its node have them: it cannot "
                   "open what they have open (no /proc, or not the same user)");
  }
  const auto found = broadcasts_.find(message.id);
  if (found == broadcasts_.end()) {
    answer_with_error(asked, "the broadcast is gone");
  } else {
    if (!found->second.sources.knows(from)) give_copy(from, message.id, found->second);
    say(from, wire::BlobReady{message.worker, message.request, message.id});
  }
  flush();
}

void BlobRoutes::handle(Rank from, const wire::AskForBlob& message) {
  const auto found = broadcasts_.find(message.id);
  if (found == broadcasts_.end()) return;
  const Broadcast& broadcast = found->second;
  const std::size_t size = broadcast.content->size();
  if (!broadcast.sources.knows(from) || broadcast.sources.source_of(from) != root_ || message.size != size ||
      message.offset > size) {
    throw wire::ProtocolError("it asks for a broadcast that it is not to get here");
  }
  push(from, message.id, broadcast, static_cast<std::size_t>(message.offset));
  flush();
}

void BlobRoutes::tell_where(const Asked& asked, std::uint64_t id, const Place& place, std::size_t size) {
  say(asked.rank, wire::MapBlob{asked.worker, asked.request, id, place.pid, place.fd, size});
}

void BlobRoutes::answer_with_error(const Asked& asked, const std::string& why) {
  const detail::Bytes reply = wire::shared_reply(wire::SharedStatus::error, std::as_bytes(std::span(why)));
  const auto header = wire::CallHeader{wire::FrameKind::reply, asked.request}.frame(reply.size());
  detail::Bytes frame(std::as_bytes(std::span(&header, 1)));
  frame.append(reply.data(), reply.size());
  say(asked.rank, wire::SideInput{asked.worker, frame.view()});
}

void BlobRoutes::say(Rank to, const wire::Message& message) {
  line_.say(to, message);
  touched_.insert(to);
}

void BlobRoutes::flush() {
  for (const Rank rank : std::exchange(touched_, {})) line_.flush(rank);
}

std::vector<std::int32_t> BlobRoutes::partners_of(Rank rank) const {
  std::vector<std::int32_t> all;
  const auto found = peers_.find(rank);
  if (found == peers_.end()) return all;
  for (const Rank partner : found->second.partners) all.push_back(raw(partner));
  return all;
}

std::uint64_t BlobRoutes::bytes_sent() noexcept { return g_bytes_sent.load(); }

}  // namespace rankpool::engine
