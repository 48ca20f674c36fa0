#include <rankpool/rankpool.hpp>

#include <gtest/gtest.h>

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    ::testing::InitGoogleTest(&count, arguments);
    if (::testing::UnitTest::GetInstance()->total_test_count() == 0) return 3;
    return RUN_ALL_TESTS();
  });
}
