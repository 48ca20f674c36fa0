#include "engine/blob_sources.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace rankpool::engine {
namespace {

constexpr Rank kRoot{0};

Rank rank(int number) { return Rank{number}; }

TEST(BlobSources, the_first_two_get_it_from_the_root_and_the_rest_from_one_another) {
  BlobSources sources(kRoot);
  EXPECT_EQ(sources.add(rank(1), true), (BlobSources::Source{kRoot, 1}));
  EXPECT_EQ(sources.add(rank(2), true), (BlobSources::Source{kRoot, 1}));
  EXPECT_EQ(sources.add(rank(3), true), (BlobSources::Source{rank(1), 2}));
  EXPECT_EQ(sources.add(rank(4), true), (BlobSources::Source{rank(2), 2}));
  EXPECT_EQ(sources.add(rank(5), true), (BlobSources::Source{rank(1), 2}));
  EXPECT_EQ(sources.add(rank(6), true), (BlobSources::Source{rank(2), 2}));
  EXPECT_EQ(sources.add(rank(7), true), (BlobSources::Source{rank(3), 3}));
  EXPECT_EQ(sources.given_by_root(), 2U);
}

TEST(BlobSources, who_has_all_of_it_is_preferred_and_takes_turns_with_others_who_have) {
  BlobSources sources(kRoot);
  sources.add(rank(1), true);
  sources.complete(rank(1));
  EXPECT_EQ(sources.add(rank(2), true), (BlobSources::Source{rank(1), 1}));
  sources.complete(rank(2));
  EXPECT_EQ(sources.add(rank(3), true).rank, rank(2));
  sources.complete(rank(3));
  EXPECT_EQ(sources.add(rank(4), true).rank, rank(3));
  EXPECT_EQ(sources.given_by_root(), 1U);
  EXPECT_EQ(sources.source_of(rank(3)), std::nullopt);
  EXPECT_EQ(sources.source_of(rank(4)), rank(3));
}

TEST(BlobSources, a_rank_that_passes_nothing_on_is_nobodys_source) {
  BlobSources sources(kRoot);
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(sources.add(rank(i), false).rank, kRoot);
    sources.complete(rank(i));
  }
  EXPECT_EQ(sources.add(rank(6), true, true).rank, kRoot);
}

TEST(BlobSources, who_got_it_from_a_rank_that_is_lost_gets_it_from_one_that_does_not_get_it_from_there) {
  BlobSources sources(kRoot);
  for (int i = 1; i <= 4; ++i) sources.add(rank(i), true);  // 3 from 1, 4 from 2
  const auto moved = sources.lost(rank(1));
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_EQ(moved[0].receiver, rank(3));
  EXPECT_EQ(moved[0].source.rank, rank(2));
  // All that is left gets it by way of 4 and 3: nobody but the root is left for them.
  const auto again = sources.lost(rank(2));
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(again[0].source.rank, kRoot);
  EXPECT_TRUE(again[1].source.rank == kRoot || again[1].source.rank == again[0].receiver);
  EXPECT_TRUE(sources.lost(rank(2)).empty());
}

TEST(BlobSources, the_loss_of_the_last_that_has_it_is_made_good_by_the_root) {
  BlobSources sources(kRoot);
  sources.add(rank(1), true);
  sources.complete(rank(1));
  sources.add(rank(2), true);
  const auto moved = sources.lost(rank(1));
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_EQ(moved[0].source.rank, kRoot);
}

TEST(BlobSources, a_source_from_which_nothing_comes_is_left_for_one_that_has_all) {
  BlobSources sources(kRoot);
  for (int i = 1; i <= 4; ++i) sources.add(rank(i), true);  // 3 from 1, 4 from 2
  EXPECT_EQ(sources.lacking(rank(3)).rank, kRoot) << "who is getting it may wait for the same";
  sources.complete(rank(2));
  EXPECT_EQ(sources.add(rank(5), true).rank, rank(2));
  EXPECT_EQ(sources.lacking(rank(3)).rank, kRoot) << "2 gives to two already";
  sources.complete(rank(5));
  EXPECT_EQ(sources.lacking(rank(3)).rank, rank(5));
  sources.complete(rank(1));
  sources.complete(rank(3));
  EXPECT_NE(sources.add(rank(6), true).rank, rank(1)) << "it is distrusted";
}

/// Plays a broadcast through: ranks ask at random moments, get pieces from their sources as far as those have them, and
/// some are lost or stand still. Whatever happens, all that live have it in the end.
class Play {
 public:
  Play(std::uint32_t seed, int ranks, double lost, double lacking)
      : random_(seed), ranks_(ranks), lost_(lost), lacking_(lacking) {}

  void run() {
    std::vector<int> to_ask(static_cast<std::size_t>(ranks_));
    for (int i = 0; i < ranks_; ++i) to_ask[static_cast<std::size_t>(i)] = i + 1;
    std::shuffle(to_ask.begin(), to_ask.end(), random_);
    int rounds = 0;
    while (!to_ask.empty() || !getting_.empty()) {
      ASSERT_LT(++rounds, 100 * kPieces + 4 * ranks_) << "somebody waits for ever";
      for (auto n = random_() % (1 + to_ask.size()); n > 0; --n) {
        ask(rank(to_ask.back()));
        to_ask.pop_back();
      }
      strike();
      step();
    }
  }
  [[nodiscard]] const BlobSources& sources() const { return sources_; }
  [[nodiscard]] int deepest() const { return deepest_; }
  [[nodiscard]] std::uint64_t losses() const { return losses_; }

 private:
  static constexpr int kPieces = 8;

  void ask(Rank receiver) {
    getting_[receiver] = 0;
    note(receiver, sources_.add(receiver, random_() % 50 != 0));
  }
  void note(Rank receiver, const BlobSources::Source& source) {
    ASSERT_NE(receiver, source.rank);
    ASSERT_TRUE(source.rank == kRoot || sources_.knows(source.rank));
    ASSERT_EQ(sources_.source_of(receiver), source.rank);
    deepest_ = std::max(deepest_, source.depth);
  }
  bool happens(double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; }
  void strike() {
    if (happens(lost_) && sources_.ranks().size() > 1) {
      const auto all = sources_.ranks();
      const Rank gone = all[random_() % all.size()];
      ++losses_;
      const auto moved = sources_.lost(gone);
      getting_.erase(gone);
      for (const auto& [receiver, source] : moved) note(receiver, source);
    }
    if (happens(lacking_) && !getting_.empty()) {
      const Rank receiver = std::next(getting_.begin(), static_cast<long>(random_() % getting_.size()))->first;
      note(receiver, sources_.lacking(receiver));
    }
  }
  /// Everybody gets what its source had before.
  void step() {
    const auto before = getting_;
    std::vector<Rank> complete;
    std::map<Rank, int> served;
    for (auto& [receiver, pieces] : getting_) {
      const auto source = sources_.source_of(receiver);
      ASSERT_TRUE(source);
      const auto its = before.find(*source);
      if (*source != kRoot) {
        ASSERT_LE(++served[*source], static_cast<int>(BlobSources::kFanOut));
      }
      if (its == before.end() || its->second > pieces) ++pieces;
      if (pieces == kPieces) complete.push_back(receiver);
    }
    for (const Rank receiver : complete) {
      getting_.erase(receiver);
      sources_.complete(receiver);
    }
  }

  std::mt19937 random_;
  const int ranks_;
  const double lost_;
  const double lacking_;
  BlobSources sources_{kRoot};
  std::map<Rank, int> getting_;  ///< and how many pieces it has
  int deepest_ = 0;
  std::uint64_t losses_ = 0;
};

TEST(BlobSources, without_losses_the_root_sends_it_twice_and_the_tree_is_as_deep_as_the_logarithm) {
  for (const int ranks : {1, 2, 3, 10, 100, 1000, 10'000}) {
    Play play(4711, ranks, 0, 0);
    play.run();
    EXPECT_LE(play.sources().given_by_root(), 2U) << ranks;
    // Some pass nothing on, which costs a level or two.
    EXPECT_LE(play.deepest(), static_cast<int>(std::log2(ranks)) + 3) << ranks;
  }
}

TEST(BlobSources, with_random_losses_all_who_live_have_it_in_the_end) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    Play play(seed, 1 + static_cast<int>(seed % 97), 0.3, 0.1);
    play.run();
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
  for (std::uint32_t seed = 0; seed < 5; ++seed) {
    Play play(seed, 3000, 0.9, 0);
    play.run();
    EXPECT_LE(play.sources().given_by_root(), 2 + play.losses()) << "seed " << seed;
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace rankpool::engine
