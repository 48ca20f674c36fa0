#include "parallel/idle_nodes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace rankpool::parallel {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// With a scontrol that notes its arguments and ends with `status`.
class IdleNodesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder);
    path = std::getenv("PATH");
    ::setenv("PATH", (folder.string() + ":" + path).c_str(), 1);
    ::setenv("SLURM_JOB_ID", "77", 1);
    answer(0);
  }
  void TearDown() override {
    ::setenv("PATH", path.c_str(), 1);
    ::unsetenv("SLURM_JOB_ID");
    std::filesystem::remove_all(folder);
  }
  void answer(int status) {
    std::ofstream(folder / "scontrol") << "#!/bin/sh\necho \"$@\" >> " << (folder / "said").string()
                                       << "\ntouch left-behind\necho as it is\nexit " << status << "\n";
    std::filesystem::permissions(folder / "scontrol", std::filesystem::perms::owner_all);
  }
  std::string said() {
    std::ifstream file(folder / "said");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("rankpool_idle." + std::to_string(::getpid()));
  std::string path;
  IdleNodes::Clock::time_point now{100s};
};

TEST_F(IdleNodesTest, gives_back_what_is_not_needed_every_ten_seconds_at_most) {
  IdleNodes nodes(folder);
  EXPECT_EQ(nodes.give_back({"a", "b", "c"}, {"a", "b", "c"}, now), "");
  EXPECT_EQ(nodes.give_back({"a", "b", "c"}, {"a", "b"}, now), "gave 1 idle node back to Slurm");
  EXPECT_EQ(nodes.give_back({"a", "b", "c"}, {"a", "b"}, now + 11s), "");  // the loss of c is not known yet
  EXPECT_EQ(nodes.give_back({"a", "b"}, {"a"}, now + 9s), "");
  EXPECT_EQ(nodes.next(), now + 10s);
  EXPECT_EQ(nodes.give_back({"a", "b"}, {"a"}, now + 10s), "gave 1 idle node back to Slurm");
  EXPECT_EQ(said(), "update JobId=77 NodeList=a,b\nupdate JobId=77 NodeList=a\n");
  // Nothing of scontrol's is left.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 2);
}

TEST_F(IdleNodesTest, says_once_that_slurm_refuses_and_asks_no_more) {
  answer(1);
  IdleNodes nodes(folder);
  EXPECT_THAT(nodes.give_back({"a", "b"}, {"a"}, now), HasSubstr("Slurm does not take them: as it is"));
  EXPECT_EQ(nodes.give_back({"a", "b"}, {"a"}, now + 60s), "");
}

TEST_F(IdleNodesTest, is_for_slurm_jobs) {
  ::unsetenv("SLURM_JOB_ID");
  EXPECT_THROW(IdleNodes nodes(folder), std::runtime_error);
}

}  // namespace
}  // namespace rankpool::parallel
