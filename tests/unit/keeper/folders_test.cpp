// Folders that go with a worker.
#include "keeper/folders.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

namespace rankpool::keeper {
namespace {

using std::filesystem::exists;

TEST(Folders, are_removed_with_all_that_is_in_them) {
  Folders::Paths paths;
  {
    auto folders = Folders::make();
    ASSERT_TRUE(folders);
    const Folders moved(std::move(*folders));
    paths = moved.paths();
    ASSERT_TRUE(exists(paths.files));
    ASSERT_TRUE(exists(paths.shared_memory));
    std::filesystem::create_directories(paths.files + "/deep/below");
    std::ofstream(paths.files + "/deep/below/file") << "text";
    std::ofstream(paths.shared_memory + "/segment") << "bytes";
  }
  EXPECT_FALSE(exists(paths.files));
  EXPECT_FALSE(exists(paths.shared_memory));
}

TEST(Folders, no_two_are_the_same) {
  const auto one = Folders::make();
  const auto other = Folders::make();
  ASSERT_TRUE(one && other);
  EXPECT_NE(one->paths().files, other->paths().files);
  EXPECT_NE(one->paths().shared_memory, other->paths().shared_memory);
}

TEST(Folders, who_leaves_them_does_not_remove_them) {
  Folders::Paths paths;
  {
    auto folders = Folders::make();
    ASSERT_TRUE(folders);
    paths = folders->leave();
  }
  EXPECT_TRUE(std::filesystem::remove(paths.files));
  EXPECT_TRUE(std::filesystem::remove(paths.shared_memory));
}

TEST(Folders, that_cannot_be_made_are_told) {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", "/proc", 1);
  EXPECT_FALSE(Folders::make());
  EXPECT_NE(errno, 0);
  before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
}

}  // namespace
}  // namespace rankpool::keeper
