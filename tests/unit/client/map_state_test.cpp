#include <rankpool/map_results.hpp>

#include "client/callbacks.hpp"
#include "futures.hpp"
#include "support/sanitized.hpp"

#include <rankpool/detail/map_state.hpp>
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

using Ints = std::vector<int>;

/// Notes what the owner of the results says to the engine.
struct Control final : WorkControl {
  void extend(std::uint64_t more) override { extended += more; }
  void seal() override { sealed = true; }
  void cancel() override { cancelled = true; }
  std::uint64_t extended = 0;
  bool sealed = false;
  bool cancelled = false;
};

/// Results of a map of `items` ints, and the engine's end of it. Items that are negative cannot be encoded.
template <class R>
struct Map {
  explicit Map(const Ints& items, bool unordered = false, Timeout timeout = {})
      : state(new MapState<R>(unordered)),
        results(state, control, nullptr, nullptr, timeout.deadline(), UINT64_MAX, 1) {
    Bytes head;
    head.append("head", 4);
    state->items().set_head(std::move(head), {});
    for (const int item : items) append(item);
    state->items().flush();
    state->appended();
    state->input_ended();
  }
  void append(int item) {
    state->items().append(
        [&](Bytes& to) {
          if (item < 0) throw std::domain_error("negative");
          to.append(&item, sizeof item);
        },
        [&](Bytes& to) { to.append(&item, sizeof item); });
  }
  /// The engine's side: the ints in the chunk's items.
  Ints gathered(std::uint64_t first, std::uint32_t count) {
    Gather parts;
    EXPECT_EQ(state->gather(first, count, parts), 4U);
    Bytes whole;
    for (const auto& part : parts) whole.append(part.data(), part.size());
    EXPECT_EQ(std::memcmp(whole.data(), "head", 4), 0);
    Ints items((whole.size() - 4) / sizeof(int));
    if (!items.empty()) std::memcpy(items.data(), whole.data() + 4, whole.size() - 4);
    return items;
  }
  void values(std::uint64_t first, const std::vector<R>& all) {
    state->values(first, static_cast<std::uint32_t>(all.size()), std::as_bytes(std::span(all)));
  }

  std::shared_ptr<Control> control = std::make_shared<Control>();
  Ref<MapState<R>> state;
  MapResults<R> results;
};

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

TEST(MapResults, closing_cancels_and_dropping_does_not) {
  Map<int> closed({1, 2});
  closed.results.close();
  EXPECT_TRUE(closed.control->cancelled);
  EXPECT_EQ(closed.results.next(), std::nullopt);
  Map<int> dropped({1, 2});
  dropped.results = {};
  EXPECT_FALSE(dropped.control->cancelled);
  dropped.values(0, {1, 2});
}

TEST(MapResults, of_no_items_are_at_their_end_at_once) {
  Map<int> map({});
  EXPECT_EQ(map.results.begin(), map.results.end());
  EXPECT_EQ(MapResults<int>().next(), std::nullopt);
}

static_assert(std::ranges::input_range<MapResults<int>>);

/// Gives the numbers from 0 on, and notes how many were asked for.
struct Counting final : MapSource {
  explicit Counting(std::uint64_t& count, std::uint64_t end = UINT64_MAX, std::uint64_t bad = UINT64_MAX)
      : read_(count), end_(end), bad_(bad) {}
  std::uint64_t read(MapItems& to, std::uint64_t items) override {
    std::uint64_t got = 0;
    for (; got < items && read_ < end_; ++got) {
      if (read_ == bad_) throw std::range_error("the input");
      const auto item = static_cast<int>(read_++);
      to.append([&](Bytes& bytes) { bytes.append(&item, sizeof item); }, [](Bytes&) {});
    }
    return got;
  }
  std::uint64_t& read_;
  const std::uint64_t end_;
  const std::uint64_t bad_;
};

/// Results of a map with a buffer of so many chunks, and the engine's end of it.
struct Lazy {
  Lazy(std::uint64_t chunk, std::uint64_t buffer, std::uint64_t end = UINT64_MAX, std::uint64_t bad = UINT64_MAX) {
    auto source = std::make_unique<Counting>(read, end, bad);
    source->read(state->items(), buffer * chunk);
    state->items().flush();
    state->appended();
    results = MapResults<int>(state, control, std::move(source), nullptr, std::nullopt, buffer * chunk, chunk);
  }
  /// The next item ends with its own number.
  void end_next() {
    state->values(ended, 1, std::as_bytes(std::span(&value, 1)));
    value = static_cast<int>(++ended);
  }
  std::uint64_t read = 0;
  std::uint64_t ended = 0;
  int value = 0;
  std::shared_ptr<Control> control = std::make_shared<Control>();
  Ref<MapState<int>> state{new MapState<int>(false)};
  MapResults<int> results;
};

// MAP-26 to MAP-28
TEST(MapResults, each_next_reads_one_chunk_more_the_first_too) {
  Lazy one(1, 2);
  EXPECT_EQ(one.read, 2U);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_THROW((void)one.results.next(0s), TimeoutError);  // a wait in vain reads no more than the one that follows
    EXPECT_EQ(one.read, 3 + i);
    one.end_next();
    EXPECT_EQ(one.results.next(0s), static_cast<int>(i));
    EXPECT_EQ(one.read, 3 + i);
  }
  Lazy three(3, 2);
  EXPECT_EQ(three.read, 6U);
  for (std::uint64_t i = 0; i < 9; ++i) {
    three.end_next();
    EXPECT_EQ(three.results.next(0s), static_cast<int>(i));
    EXPECT_EQ(three.read, 6 + (i / 3 + 1) * 3);
  }
}

TEST(MapResults, are_moved_whole) {
  Lazy lazy(1, 2);
  for (int i = 0; i < 2; ++i) lazy.end_next();
  auto at = lazy.results.begin();
  EXPECT_EQ(*at, 0);
  MapResults<int> moved(std::move(lazy.results));
  EXPECT_EQ(*at, 0);  // it goes with what was moved
  ++at;
  EXPECT_EQ(*at, 1);
  MapResults<int> assigned;
  assigned = std::move(moved);
  EXPECT_EQ(*at, 1);
  EXPECT_EQ(lazy.read, 4U);
  lazy.end_next();
  EXPECT_EQ(assigned.next(0s), 2);
  EXPECT_EQ(lazy.read, 5U);
  for (MapResults<int>* const empty : {&lazy.results, &moved}) {  // NOLINT(bugprone-use-after-move)
    EXPECT_TRUE(empty->finished());
    EXPECT_EQ(empty->begin(), empty->end());
    EXPECT_EQ(empty->next(), std::nullopt);
    EXPECT_TRUE(empty->to_vector().empty());
    EXPECT_TRUE(empty->outcomes().empty());
    empty->close();
  }
  EXPECT_FALSE(lazy.control->cancelled);
}

TEST(MapResults, can_be_piped) {
  Map<int> map({1, 2, 3});
  map.values(0, {10, 20, 30});
  Ints doubled;
  for (const int value : std::move(map.results) | std::views::transform([](int x) { return 2 * x; })) {
    doubled.push_back(value);
  }
  EXPECT_EQ(doubled, (Ints{20, 40, 60}));
}

template <class E>
std::string text_of(const std::exception_ptr& error) {
  if (!error) return "no exception";
  try {
    std::rethrow_exception(error);
  } catch (const E& e) {
    return e.what();
  } catch (...) {
    return "another exception";
  }
}

TEST(MapResults, outcomes_have_every_items_value_or_exception_with_its_number) {
  for (const bool unordered : {false, true}) {
    Map<int> map({1, 2, -3, 4, 5}, unordered);
    map.values(4, {50});
    map.state->fail(3, 1, some_failure());
    map.state->error(1, encoded_error("x"));
    map.values(0, {10});
    auto all = map.results.outcomes();
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(all[0].index, unordered ? 2U : 0U);  // the one that could not be encoded came first of all
    EXPECT_EQ(all[1].index, unordered ? 4U : 1U);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    EXPECT_EQ(all[0].value, 10);
    EXPECT_FALSE(all[0].error);
    EXPECT_EQ(text_of<std::out_of_range>(all[1].error), "x");
    EXPECT_FALSE(all[1].value);
    EXPECT_EQ(text_of<std::domain_error>(all[2].error), "negative");
    EXPECT_EQ(text_of<TerminatedWorkerError>(all[3].error), "killed");
    EXPECT_EQ(all[4].value, 50);
    EXPECT_TRUE(map.results.finished());
    EXPECT_TRUE(map.results.outcomes().empty());
  }
}

TEST(MapResults, outcomes_begin_where_the_reading_stands) {
  Map<std::string> map({1, 2, 3});
  map.state->value(0, encoded(std::string("a")));
  map.state->value(1, Bytes(3));
  map.state->cancelled(2, 1);
  EXPECT_EQ(map.results.next(0s), "a");
  const auto rest = map.results.outcomes();
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0].index, 1U);
  EXPECT_NE(text_of<SerializationError>(rest[0].error), "another exception");
  EXPECT_EQ(text_of<CancelledError>(rest[1].error), CancelledError().what());
}

TEST(MapResults, outcomes_of_a_map_whose_timeout_passes_lose_nothing) {
  for (const bool unordered : {false, true}) {
    Map<int> map({1, 2, 3, 4}, unordered, 20ms);
    map.values(0, {10});
    map.values(2, {30});
    auto all = map.results.outcomes();
    EXPECT_TRUE(map.control->cancelled);
    EXPECT_TRUE(map.results.finished());
    ASSERT_EQ(all.size(), 4U);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    EXPECT_EQ(all[0].value, 10);
    EXPECT_NE(text_of<TimeoutError>(all[1].error), "another exception");
    EXPECT_EQ(all[2].value, 30);
    EXPECT_FALSE(all[3].value);
    EXPECT_TRUE(all[3].error);
    map.values(1, {20});  // nobody is interested any more
  }
}

TEST(MapResults, outcomes_of_an_input_that_throws_end_with_its_exception) {
  Lazy lazy(1, 2, UINT64_MAX, 4);
  for (int i = 0; i < 4; ++i) lazy.end_next();
  const auto all = lazy.results.outcomes();
  ASSERT_EQ(all.size(), 5U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(all[i].value, static_cast<int>(i));
  EXPECT_EQ(all[4].index, 4U);
  EXPECT_EQ(text_of<std::range_error>(all[4].error), "the input");
}

TEST(MapResults, what_to_vector_throws_says_how_many_others_failed) {
  Map<int> map({1, 2, 3, 4});
  map.values(0, {10});
  map.state->error(1, encoded_error("x"));
  map.state->error(2, encoded_error("y"));
  const auto thrown = [&](auto&& call) -> std::exception_ptr {
    try {
      call();
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  };
  const auto first = thrown([&] { (void)map.results.to_vector(); });
  EXPECT_EQ(text_of<std::out_of_range>(first), "x (1 other item has failed so far)");
  map.state->fail(3, 1, some_failure());
  EXPECT_EQ(failed_beside(first), "2 other items failed, too");
  EXPECT_EQ(text_of<std::out_of_range>(thrown([&] { (void)map.results.next(); })), "y");  // as it was thrown
  const auto last = thrown([&] { (void)map.results.to_vector(); });
  EXPECT_EQ(text_of<TerminatedWorkerError>(last), "killed (2 other items failed, too)");
  EXPECT_EQ(remote_traceback(last), "");
  map.results = {};
  EXPECT_EQ(failed_beside(last), "2 other items failed, too");
  Map<int> one({1, 2});
  one.state->error(0, encoded_error("x"));
  one.values(1, {20});
  EXPECT_EQ(text_of<std::out_of_range>(thrown([&] { (void)one.results.to_vector(); })), "x");
  EXPECT_EQ(one.results.to_vector(), Ints{20});
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
