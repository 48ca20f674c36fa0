#include <rankpool/detail/map_input.hpp>

#include <rankpool/detail/submit.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <list>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

[[maybe_unused]] long twice(long x) { return 2 * x; }
using Twice = TaskType<decltype(&twice), const long&>;
using Bytes3 = std::array<char, 3>;
[[maybe_unused]] char first_of(Bytes3 bytes) { return bytes[0]; }

/// What the engine would send for these items.
template <class T>
std::vector<T> gathered(MapItems& items, std::uint64_t first, std::uint32_t count) {
  Gather parts;
  EXPECT_EQ(items.gather(first, count, parts), 0U);
  Bytes whole;
  for (const auto& part : parts) whole.append(part.data(), part.size());
  std::vector<T> values(whole.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), whole.data(), whole.size());
  return values;
}
template <class T, class... Ranges>
std::uint64_t read(MapItems& items, std::uint64_t most, Ranges&&... ranges) {
  const auto count = RangeSource<T, Ranges...>(std::forward<Ranges>(ranges)...).read(items, most);
  items.flush();
  return count;
}
std::vector<long> numbers(std::size_t count) {
  std::vector<long> all(count);
  std::iota(all.begin(), all.end(), 0L);
  return all;
}

TEST(MapItems, a_vector_of_plain_items_is_copied_whole_and_cut_anywhere) {
  const auto all = numbers(100'000);
  MapItems items;
  EXPECT_EQ(read<Twice>(items, UINT64_MAX, all), all.size());
  EXPECT_EQ(items.size(), all.size());
  EXPECT_EQ(items.total_bytes(), all.size() * sizeof(long));
  EXPECT_EQ(gathered<long>(items, 0, 100'000), all);
  EXPECT_EQ(gathered<long>(items, 32'767, 2), (std::vector<long>{32'767, 32'768}));
  items.release(0, 50'000);
  EXPECT_EQ(gathered<long>(items, 99'999, 1), std::vector<long>{99'999});
}

TEST(MapItems, a_vector_is_the_same_as_a_list_and_as_what_converts) {
  const auto all = numbers(70'000);
  const std::list<long> list(all.begin(), all.end());
  const std::vector<int> ints(all.begin(), all.end());
  MapItems of_list;
  MapItems of_ints;
  read<Twice>(of_list, UINT64_MAX, list);
  read<TaskType<decltype(&twice), const int&>>(of_ints, UINT64_MAX, ints);
  EXPECT_EQ(gathered<long>(of_list, 0, 70'000), all);
  EXPECT_EQ(gathered<long>(of_ints, 0, 70'000), all);
}

TEST(MapItems, items_whose_size_is_no_part_of_a_block_s_are_not_cut) {
  std::vector<Bytes3> all(200'000);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = {static_cast<char>(i), static_cast<char>(i >> 8U), 'x'};
  const std::list<Bytes3> list(all.begin(), all.end());
  using First = TaskType<decltype(&first_of), const Bytes3&>;
  MapItems of_vector;
  MapItems of_list;
  read<First>(of_vector, UINT64_MAX, all);
  read<First>(of_list, UINT64_MAX, list);
  for (const std::uint64_t at : {0U, 87'380U, 87'381U, 199'998U}) {
    const std::vector<Bytes3> two{all[at], all[at + 1]};
    EXPECT_EQ(gathered<Bytes3>(of_vector, at, 2), two) << at;
    EXPECT_EQ(gathered<Bytes3>(of_list, at, 2), two) << at;
  }
}

TEST(MapItems, a_vector_is_read_on_from_where_reading_stopped) {
  const auto all = numbers(10);
  MapItems items;
  RangeSource<Twice, const std::vector<long>&> source(all);
  EXPECT_EQ(source.read(items, 4), 4U);
  items.flush();
  EXPECT_EQ(source.read(items, 6), 6U);
  EXPECT_EQ(source.read(items, 6), 0U);
  items.flush();
  EXPECT_EQ(gathered<long>(items, 0, 10), all);
}

struct Grudging {
  long value;
  operator long() const {  // NOLINT(google-explicit-constructor)
    if (value == 2) throw std::domain_error("two");
    return value;
  }
};

TEST(MapItems, a_conversion_that_throws_ends_the_input_and_leaves_nothing_behind) {
  const std::vector<Grudging> all{{0}, {1}, {2}, {3}};
  MapItems items;
  EXPECT_THROW((read<TaskType<decltype(&twice), const Grudging&>>(items, UINT64_MAX, all)), std::domain_error);
  items.flush();
  EXPECT_EQ(items.size(), 2U);
  EXPECT_TRUE(items.take_failures().empty());
  EXPECT_EQ(gathered<long>(items, 0, 2), (std::vector<long>{0, 1}));
}

TEST(MapItems, what_has_no_fixed_size_may_fail_item_by_item) {
  MapItems items;
  for (const std::string text : {"a", "", "long"}) {
    items.append(
        [&](Bytes& to) {
          if (text.empty()) throw std::domain_error("empty");
          to.append(text.data(), text.size());
        },
        [](Bytes& to) { to.append("-", 1); });
  }
  items.flush();
  EXPECT_EQ(gathered<char>(items, 0, 3), (std::vector<char>{'a', '-', 'l', 'o', 'n', 'g'}));
  EXPECT_EQ(gathered<char>(items, 2, 1), (std::vector<char>{'l', 'o', 'n', 'g'}));
  const auto failures = items.take_failures();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].first, 1U);
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
