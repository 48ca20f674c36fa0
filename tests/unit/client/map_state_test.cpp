#include <rankpool/detail/map_state.hpp>

#include "client/callbacks.hpp"
#include "maps.hpp"
#include "support/sanitized.hpp"

#include <rankpool/serialization.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

TEST(ArrivedItems, a_range_counts_once_all_before_it_are_there) {
  ArrivedItems items;
  items.add(5, 5);
  items.add(2, 1);
  EXPECT_EQ(items.prefix(), 0U);
  EXPECT_FALSE(items.contains(1));
  EXPECT_TRUE(items.contains(2));
  EXPECT_FALSE(items.contains(3));
  EXPECT_TRUE(items.contains(9));
  EXPECT_FALSE(items.contains(10));
  items.add(0, 2);
  EXPECT_EQ(items.prefix(), 3U);
  items.add(3, 2);
  EXPECT_EQ(items.prefix(), 10U);
  EXPECT_TRUE(items.contains(4));
}

TEST(MapState, results_come_in_the_order_of_the_items) {
  Map<int> map({1, 2, 3, 4});
  map.values(2, {30, 40});
  EXPECT_THROW((void)map.results.next(0s), TimeoutError);
  map.values(0, {10, 20});
  EXPECT_EQ(map.results.to_vector(), (Ints{10, 20, 30, 40}));
  EXPECT_TRUE(map.results.finished());
}

TEST(MapState, unordered_results_come_as_they_end) {
  Map<int> map({1, 2, 3, 4}, true);
  map.values(2, {30, 40});
  EXPECT_EQ(map.results.next(0s), 30);
  map.values(0, {10, 20});
  EXPECT_EQ(map.results.to_vector(), (Ints{40, 10, 20}));
}

TEST(MapState, encoded_results_are_decoded_one_by_one) {
  Map<std::string> map({1, 2});
  map.state->value(1, encoded(std::string("two")));
  map.state->value(0, Bytes(3));
  EXPECT_THROW((void)map.results.next(), SerializationError);
  EXPECT_EQ(map.results.next(), "two");
  EXPECT_EQ(map.results.next(), std::nullopt);
}

TEST(MapState, results_of_a_wrong_size_are_serialization_errors) {
  Map<int> map({1, 2, 3});
  map.state->values(0, 2, Bytes(7));
  map.state->value(2, Bytes(3));
  for (int item = 0; item < 3; ++item) EXPECT_THROW((void)map.results.next(), SerializationError);
}

struct Large {
  char bytes[1024 * 1024];
};

/// Ends the process with 0 if the middle one of three results fails for want of memory, and the others are there.
[[noreturn]] void keep_results_with_little_memory() {
  Map<Large> map({1, 2, 3});
  const auto large = std::make_unique<Large>();
  const auto put = [&](std::uint64_t index) { map.state->values(index, 1, std::as_bytes(std::span(large.get(), 1))); };
  put(0);
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  rlimit none = before;
  none.rlim_cur = 1;
  ::setrlimit(RLIMIT_AS, &none);
  for (const std::size_t size : {sizeof(Large), sizeof(Large) / 4}) {
    void* volatile block = nullptr;  // volatile: the compiler may leave out an allocation that nobody looks at
    do block = std::malloc(size);    // what earlier tests gave back
    while (block != nullptr);
  }
  put(1);
  ::setrlimit(RLIMIT_AS, &before);
  put(2);
  MapState<Large>::Outcome outcome;
  std::string seen;
  for (int i = 0; i < 3; ++i) {
    if (map.state->take(outcome, std::nullopt) != MapState<Large>::Taken::outcome) ::_exit(1);
    seen += outcome.has_value ? 'v' : 'p';
  }
  ::_exit(seen == "vpv" ? 0 : 2);
}

TEST(MapState, a_result_that_finds_no_memory_fails_alone) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer ends a process that has no memory";
  EXPECT_EXIT(keep_results_with_little_memory(), testing::ExitedWithCode(0), "");
}

TEST(MapState, a_failed_item_throws_in_its_place_and_the_range_goes_on) {
  Map<int> map({1, 2, 3, 4, 5});
  map.values(0, {10});
  map.state->error(1, encoded_error("x"));
  map.state->fail(2, 1, some_failure());
  map.state->cancelled(3, 1);
  map.values(4, {50});
  EXPECT_EQ(map.results.next(), 10);
  EXPECT_THROW((void)map.results.next(), std::out_of_range);
  EXPECT_THROW((void)map.results.next(), TerminatedWorkerError);
  EXPECT_THROW((void)map.results.next(), CancelledError);
  EXPECT_EQ(map.results.next(), 50);
  EXPECT_EQ(map.results.next(), std::nullopt);
}

TEST(MapState, an_item_that_cannot_be_encoded_fails_alone) {
  Map<int> map({1, -2, 3});
  map.values(0, {10});
  map.values(2, {30});
  EXPECT_EQ(map.results.next(), 10);
  EXPECT_THROW((void)map.results.next(), std::domain_error);
  EXPECT_EQ(map.results.next(), 30);
}

TEST(MapState, an_end_of_the_whole_pool_leaves_alone_what_had_ended) {
  for (const bool unordered : {false, true}) {
    Map<int> map({1, -2, 3, 4}, unordered);
    map.values(0, {10});
    map.values(3, {40});
    map.state->fail(0, UINT64_MAX, some_failure());
    int values = 0;
    int own = 0;
    int lost = 0;
    while (true) {
      try {
        if (!map.results.next(0s)) break;
        ++values;
      } catch (const std::domain_error&) {
        ++own;
      } catch (const TerminatedWorkerError&) {
        ++lost;
      }
    }
    EXPECT_EQ(values, 2) << unordered;
    EXPECT_EQ(own, 1) << unordered;
    EXPECT_EQ(lost, 1) << unordered;
  }
}

TEST(MapState, items_stay_until_they_end_though_their_neighbours_failed_twice) {
  for (const bool abandoned : {false, true}) {
    Map<int> map({1, -2, 3});
    if (abandoned) map.state->abandon();
    map.state->fail(0, 2, some_failure());
    EXPECT_EQ(map.gathered(2, 1), Ints{3}) << abandoned;
    map.state->fail(0, 2, some_failure());
    EXPECT_EQ(map.gathered(2, 1), Ints{3}) << abandoned;
  }
}

TEST(MapState, what_is_appended_after_all_have_ended_ends_likewise) {
  Map<int> map({1});
  map.state->fail(0, UINT64_MAX, some_failure());
  map.append(2);
  map.append(-3);
  map.state->items().flush();
  map.state->appended();
  EXPECT_THROW((void)map.results.next(0s), TerminatedWorkerError);
  EXPECT_THROW((void)map.results.next(0s), TerminatedWorkerError);
  EXPECT_THROW((void)map.results.next(0s), std::domain_error);
  EXPECT_EQ(map.results.next(0s), std::nullopt);
}

TEST(MapState, any_run_of_items_can_be_gathered_across_blocks) {
  Ints numbers(200'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  Map<int> map(numbers);
  for (const std::uint64_t first : {0U, 1U, 65'535U, 65'536U, 131'000U}) {
    for (const std::uint32_t count : {1U, 2U, 69'000U}) {
      const auto from = numbers.begin() + static_cast<std::ptrdiff_t>(first);
      EXPECT_EQ(map.gathered(first, count), Ints(from, from + count));
    }
  }
  map.values(0, Ints(150'000));
  EXPECT_EQ(map.gathered(199'999, 1), Ints{199'999});
}

TEST(MapState, many_results_come_home_while_another_thread_takes_them) {
  constexpr int kItems = 100'000;
  for (const bool unordered : {false, true}) {
    Map<int> map(Ints(kItems), unordered);
    std::jthread engine([&] {
      for (int first = 0; first < kItems; first += 100) {
        Ints part(100);
        std::iota(part.begin(), part.end(), first);
        map.values(static_cast<std::uint64_t>(first), part);
      }
    });
    const Ints all = map.results.to_vector();
    ASSERT_EQ(all.size(), static_cast<std::size_t>(kItems));
    for (int i = 0; i < kItems; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)], i);
  }
}

TEST(MapState, its_end_is_told_once_when_the_input_has_ended_and_all_items_have) {
  std::atomic<int> told = 0;
  const Ref<MapState<int>> state(new MapState<int>(false));
  state->when_complete([&] { ++told; });
  const int item = 1;
  state->items().append([&](Bytes& to) { to.append(&item, sizeof item); }, [](Bytes&) {});
  state->items().flush();
  state->appended();
  state->values(0, 1, std::as_bytes(std::span(&item, 1)));
  client::drain_callbacks();
  EXPECT_EQ(told, 0);
  state->input_ended();
  state->input_ended();
  client::drain_callbacks();
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
