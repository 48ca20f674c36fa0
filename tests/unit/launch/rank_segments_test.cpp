#include "launch/rank_segments.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cstdlib>
#include <string>

namespace rankpool::launch {
namespace {

TEST(RankSegments, are_those_with_the_ranks_own_number) {
  const std::string maps =
      "55d0c0000000-55d0c0001000 r--p 00000000 fe:01 1234 /usr/bin/program\n"
      "7f0000000000-7f0000400000 rw-s 00000000 00:1b 21 /dev/shm/vader_segment.node1.0.66de0001.0\n"
      "7f0000400000-7f0000800000 rw-s 00000000 00:1b 22 /dev/shm/vader_segment.node1.0.66de0001.1\n"
      "7f0000400000-7f0000800000 rw-s 00400000 00:1b 22 /dev/shm/vader_segment.node1.0.66de0001.1\n"
      "7f0000800000-7f0000c00000 rw-s 00000000 00:1b 23 /dev/shm/vader_segment.node1.0.66de0001.11\n"
      "7f0000c00000-7f0001000000 rw-s 00000000 00:1b 24 /tmp/a folder/sm_segment.node1.1000.1.1\n"
      "7f0001000000-7f0001400000 rw-s 00000000 00:1b 25 /dev/shm/other_segment.1\n"
      "7f0002000000-7f0002001000 rw-p 00000000 00:00 0 \n";
  const auto found = find_segments(maps, 1);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].path, "/dev/shm/vader_segment.node1.0.66de0001.1");
  EXPECT_EQ(found[0].inode, 22U);
  EXPECT_EQ(found[1].path, "/tmp/a folder/sm_segment.node1.1000.1.1");
}

TEST(RankSegments, that_are_left_are_removed_if_they_are_the_same_files) {
  char folder[] = "/tmp/rank-segments-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/vader_segment.here.0.1.4";
  const auto make = [&] {
    const int fd = ::open(path.c_str(), O_CREAT | O_RDWR, 0600);
    EXPECT_EQ(::ftruncate(fd, 4096), 0);
    return fd;
  };
  const int fd = make();
  void* const memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const auto segments = segments_of_rank(::getpid(), 4);
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_TRUE(segments_of_rank(::getpid(), 3).empty());
  remove_segments(segments);
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  ::close(make());  // another job's, of the same name
  remove_segments(segments);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  ::munmap(memory, 4096);
  ::close(fd);
  ::unlink(path.c_str());
  ::rmdir(folder);
}

}  // namespace
}  // namespace rankpool::launch
