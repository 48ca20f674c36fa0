#include <rankpool/rankpool.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

/// Also sees to it that nothing is left in the folder for temporary files.
int main(int argc, char** argv) {
  std::string folder = (std::filesystem::temp_directory_path() / "rankpool-test-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 2;
  ::setenv("TMPDIR", folder.c_str(), 1);
  int status = rankpool::run(argc, argv, [](int count, char** arguments) {
    ::testing::InitGoogleTest(&count, arguments);
    if (::testing::UnitTest::GetInstance()->total_test_count() == 0) return 3;
    return RUN_ALL_TESTS();
  });
  for (const auto& left : std::filesystem::recursive_directory_iterator(folder)) {
    std::fprintf(stderr, "left behind: %s\n", left.path().c_str());
    status = 4;
  }
  std::filesystem::remove_all(folder);
  return status;
}
