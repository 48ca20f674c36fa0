#pragma once

#include "base/ids.hpp"
#include "channel/blob.hpp"
#include "engine/blob_sources.hpp"
#include "wire/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::engine {

/// How broadcasts come to the ranks that cannot map rank 0's memory. Of the ranks of a node the first that asks gets a
/// copy, and the others map it; between nodes BlobSources says who gives to whom. Rank 0 sends its own part in pieces,
/// one a turn. It is told what ranks ask and say, and tells them what to do. Engine thread.
class BlobRoutes {
 public:
  /// The way to the ranks.
  class Line {
   public:
    virtual ~Line() = default;
    /// Gathers messages until `flush`.
    virtual void say(Rank to, const wire::Message& message) = 0;
    virtual void flush(Rank to) = 0;
  };
  struct Node {
    std::string host;
    std::uint64_t pid_space = 0;  ///< 0: its processes cannot find each other
    auto operator<=>(const Node&) const = default;
  };

  /// A broadcast up to this size goes from rank 0 to whoever wants it: to tell who has it would be as long.
  static constexpr std::size_t kSmall = 4096;
  /// So much is sent in one message.
  static constexpr std::size_t kPiece = std::size_t{256} << 10U;

  BlobRoutes(Rank root, Node own, Line& line) : root_(root), own_(std::move(own)), line_(line) {}

  /// `passes_on`: others may get from that rank what it has.
  void joined(Rank rank, Node node, bool passes_on);
  /// A worker of that rank wants it: it is answered once it is there.
  void asked(Rank rank, WorkerId worker, std::uint64_t request, std::uint64_t id,
             const std::shared_ptr<const channel::Blob>& content);
  /// Nobody needs it any more.
  void forgotten(std::uint64_t id);
  void lost(Rank rank);

  // What ranks say. Throw wire::ProtocolError for what makes no sense.
  void handle(Rank from, const wire::BlobHere& message);
  void handle(Rank from, const wire::BlobLacking& message);
  void handle(Rank from, const wire::BlobNotMapped& message);
  void handle(Rank from, const wire::AskForBlob& message);

  /// Ranks to which rank 0 has something to send.
  [[nodiscard]] bool sending() const noexcept { return !pushes_.empty(); }
  /// Sends the next piece to each rank with which `room` agrees. True if there were any.
  bool send_pieces(const std::function<bool(Rank)>& room);
  /// The job ends.
  void stop_sending() { pushes_.clear(); }

  /// Those with which a rank may have exchanged broadcasts.
  [[nodiscard]] std::vector<std::int32_t> partners_of(Rank rank) const;

  /// Bytes of broadcasts that this process has sent to other ranks. Any thread.
  static std::uint64_t bytes_sent() noexcept;

 private:
  struct Peer {
    Node node;
    bool passes_on = true;
    bool maps = true;         ///< it can map what others of its node have
    int disappointments = 0;  ///< sources from which nothing came
    std::set<Rank> partners;
  };
  struct Asked {
    Rank rank{};
    WorkerId worker{};
    std::uint64_t request = 0;
  };
  struct Place {
    std::int64_t pid = 0;
    std::int32_t fd = -1;
  };
  struct Broadcast {
    std::shared_ptr<const channel::Blob> content;
    BlobSources sources;
    std::map<Node, Rank> first_of_node;          ///< whose copy the others of the node map
    std::map<Rank, Place> places;                ///< of those who have all of it
    std::map<Rank, std::vector<Asked>> waiting;  ///< until that rank of their node has it
  };
  struct Push {
    std::shared_ptr<const channel::Blob> content;
    std::size_t sent = 0;
    std::size_t first = 0;  ///< where it began
  };
  struct Pushes {
    std::map<std::uint64_t, Push> by_id;
    std::uint64_t last = 0;  ///< the one that had the last turn
  };

  void say(Rank to, const wire::Message& message);
  void flush();
  void answer(const Asked& asked, std::uint64_t id, Broadcast& broadcast);
  /// True if it maps, or will map, what another process of its node has.
  bool shares(const Asked& asked, std::uint64_t id, Broadcast& broadcast);
  void give_copy(Rank rank, std::uint64_t id, Broadcast& broadcast);
  void send_from(Rank to, const BlobSources::Source& source, std::uint64_t id, Broadcast& broadcast, bool is_new);
  void push(Rank to, std::uint64_t id, const Broadcast& broadcast, std::size_t offset);
  void tell_where(const Asked& asked, std::uint64_t id, const Place& place, std::size_t size);
  void answer_with_error(const Asked& asked, const std::string& why);
  [[nodiscard]] Peer& peer(Rank rank);

  const Rank root_;
  const Node own_;
  Line& line_;
  std::map<Rank, Peer> peers_;
  std::map<std::uint64_t, Broadcast> broadcasts_;  ///< that a rank has asked for
  std::map<Rank, Pushes> pushes_;                  ///< none of them is empty
  std::map<Rank, int> complaints_;                 ///< about ranks from which nothing came
  std::set<Rank> touched_;                         ///< to be flushed
};

}  // namespace rankpool::engine
