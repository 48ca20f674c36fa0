#include "base/paged_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace rankpool::base {
namespace {

TEST(PagedTable, what_was_inserted_is_found_until_it_is_erased) {
  PagedTable<std::shared_ptr<int>> table;
  EXPECT_EQ(table.find(0), nullptr);
  const auto kept = std::make_shared<int>(5);
  table.insert(1000, kept);
  ASSERT_NE(table.find(1000), nullptr);
  EXPECT_EQ(**table.find(1000), 5);
  EXPECT_EQ(table.find(999), nullptr);
  EXPECT_EQ(table.find(1'000'000), nullptr);
  table.erase(1000);
  EXPECT_EQ(table.find(1000), nullptr);
  EXPECT_EQ(kept.use_count(), 1);
  table.erase(1000);
  EXPECT_EQ(table.size(), 0U);
}

TEST(PagedTable, ids_may_come_out_of_order_and_from_an_older_page) {
  PagedTable<int> table;
  table.insert(5000, 1);
  table.insert(10, 2);
  EXPECT_EQ(*table.find(5000), 1);
  EXPECT_EQ(*table.find(10), 2);
}

TEST(PagedTable, agrees_with_a_map_over_random_histories) {
  std::mt19937 random(1);
  PagedTable<int> table;
  std::map<std::uint64_t, int> model;
  std::uint64_t next = 1;
  for (int step = 0; step < 100'000; ++step) {
    if (model.empty() || random() % 2 == 0) {
      table.insert(next, step);
      model[next] = step;
      next += 1 + random() % 50;
    } else {
      auto victim = model.begin();
      std::advance(victim, static_cast<long>(random() % std::min<std::size_t>(model.size(), 20)));
      table.erase(victim->first);
      model.erase(victim);
    }
    const std::uint64_t probe = random() % (next + 10);
    const auto wanted = model.find(probe);
    const int* found = table.find(probe);
    ASSERT_EQ(found != nullptr, wanted != model.end());
    if (found != nullptr) {
      ASSERT_EQ(*found, wanted->second);
    }
  }
  std::size_t visited = 0;
  table.for_each([&](std::uint64_t id, int& value) {
    ++visited;
    EXPECT_EQ(model.at(id), value);
  });
  EXPECT_EQ(visited, model.size());
  EXPECT_EQ(table.size(), model.size());
}

}  // namespace
}  // namespace rankpool::base
