#pragma once

#include "base/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

namespace rankpool::engine {

/// Who gives one broadcast to whom: a decision without input, output or clock. Every rank that wants it is given a
/// source at once:
///
/// 1. a rank that has all of it, and gives to fewer than kFanOut at the moment: who gives to the fewest, and has given
///    the least so far;
/// 2. the root, the first kFanOut times;
/// 3. a rank that is still getting it, and gives to fewer than kFanOut: the one with the fewest ranks between it and
///    who has all;
/// 4. the root.
///
/// So those that ask while it is on its way are a tree below the root, in which each passes on what it has got so far,
/// and those that ask later get it from one another. The root sends it kFanOut times, and once more for a loss that
/// leaves nobody else.
class BlobSources {
 public:
  /// To so many a rank gives at the same time: they share its link, but the tree is only as deep as the logarithm of
  /// its ranks.
  static constexpr std::size_t kFanOut = 2;

  struct Source {
    Rank rank{};
    int depth = 0;  ///< ranks between the receiver and who has it all, itself counted
    bool operator==(const Source&) const = default;
  };
  struct Moved {
    Rank receiver{};
    Source source;
  };

  explicit BlobSources(Rank root);

  /// A rank wants it that has not got it. `gives`: others may get it from this one. `from_root`: it can have it from
  /// nobody else.
  Source add(Rank receiver, bool gives, bool from_root = false);
  /// Whether it has been added, and is not lost.
  [[nodiscard]] bool knows(Rank rank) const { return places_.contains(rank); }
  /// Who gives it to that rank; nobody if that has all of it.
  [[nodiscard]] std::optional<Rank> source_of(Rank receiver) const { return places_.at(receiver).source; }
  /// The rank has all of it.
  void complete(Rank receiver);
  /// The rank is lost. Those that got it from there have another source.
  [[nodiscard]] std::vector<Moved> lost(Rank rank);
  /// Nothing more comes to that rank from its source, which may wait for another itself: gives it one that has all.
  Source lacking(Rank receiver);
  /// It gives to nobody else from now on.
  void distrust(Rank rank);
  /// All that know of it.
  [[nodiscard]] std::vector<Rank> ranks() const;
  /// Times that the root has begun to send it.
  [[nodiscard]] std::uint64_t given_by_root() const { return root_given_; }

 private:
  struct Place {
    std::optional<Rank> source;  ///< while it is getting it
    bool gives = true;
    int depth = 0;
    std::vector<Rank> receivers;  ///< that are getting it from here
    std::uint64_t given = 0;      ///< times it was made a source
  };
  using Holder = std::tuple<std::size_t, std::uint64_t, Rank>;  ///< receivers, given
  using Getter = std::tuple<int, std::size_t, Rank>;            ///< depth, receivers

  /// Puts it among those that may be chosen, or takes it out, as it stands now.
  void show(Rank rank, const Place& place);
  void hide(Rank rank, const Place& place);
  /// Takes the receiver from its source.
  void detach(Rank receiver, Place& place);
  Source attach(Rank receiver, Place& place, Rank source);
  [[nodiscard]] Rank choose(Rank receiver, bool among_getters) const;
  [[nodiscard]] bool gets_it_from(Rank rank, Rank ancestor) const;

  const Rank root_;
  std::uint64_t root_given_ = 0;
  std::map<Rank, Place> places_;  ///< without the root
  std::set<Holder> holders_;      ///< that have all, and room for a receiver
  std::set<Getter> getters_;      ///< that are getting it, and have room for a receiver
};

}  // namespace rankpool::engine
