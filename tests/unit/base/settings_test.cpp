#include "base/settings.hpp"

#include <gtest/gtest.h>

#include <map>

namespace rankpool::base {
namespace {

Settings read(const std::map<std::string, std::string>& variables, std::vector<std::string>& warnings) {
  return read_settings(
      [&](const char* name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      },
      warnings);
}

TEST(Settings, defaults_hold_where_nothing_is_set) {
  std::vector<std::string> warnings;
  const Settings settings = read({}, warnings);
  EXPECT_FALSE(settings.max_workers);
  EXPECT_FALSE(settings.workers);
  EXPECT_EQ(settings.lost_after.count(), 10'000);
  EXPECT_EQ(settings.interface, "");
  EXPECT_EQ(settings.log_level, LogLevel::warn);
  EXPECT_TRUE(warnings.empty());
}

TEST(Settings, every_variable_is_read) {
  std::vector<std::string> warnings;
  const Settings settings = read({{"RANKPOOL_MAX_WORKERS", "7"},
                                  {"RANKPOOL_WORKERS", "3"},
                                  {"RANKPOOL_LOST_AFTER", "2.5"},
                                  {"RANKPOOL_INTERFACE", "ib0"},
                                  {"RANKPOOL_LOG", "debug"}},
                                 warnings);
  EXPECT_EQ(settings.max_workers, 7);
  EXPECT_EQ(settings.workers, 3);
  EXPECT_EQ(settings.lost_after.count(), 2500);
  EXPECT_EQ(settings.interface, "ib0");
  EXPECT_EQ(settings.log_level, LogLevel::debug);
  EXPECT_TRUE(warnings.empty());
}

TEST(Settings, nonsense_gives_one_warning_that_names_it_and_the_default) {  // SUB-22
  for (const auto* name : {"RANKPOOL_MAX_WORKERS", "RANKPOOL_WORKERS", "RANKPOOL_LOST_AFTER", "RANKPOOL_LOG"}) {
    for (const auto* value : {"foobar", "0", "-1", "3x", " 4", "99999999999999999999"}) {
      std::vector<std::string> warnings;
      const Settings settings = read({{name, value}}, warnings);
      ASSERT_EQ(warnings.size(), 1U) << name << "=" << value;
      EXPECT_NE(warnings[0].find(name), std::string::npos);
      EXPECT_NE(warnings[0].find(value), std::string::npos);
      EXPECT_FALSE(settings.max_workers);
      EXPECT_FALSE(settings.workers);
      EXPECT_EQ(settings.lost_after.count(), 10'000);
      EXPECT_EQ(settings.log_level, LogLevel::warn);
    }
  }
}

TEST(Settings, an_empty_variable_is_an_unset_one) {
  std::vector<std::string> warnings;
  const Settings settings = read({{"RANKPOOL_MAX_WORKERS", ""}, {"RANKPOOL_LOG", ""}}, warnings);
  EXPECT_FALSE(settings.max_workers);
  EXPECT_TRUE(warnings.empty());
}

}  // namespace
}  // namespace rankpool::base
