// Who is taken for a spawned worker, and who is not.
#include "keeper/spawned_worker.hpp"

#include "base/memfd.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>

namespace rankpool::keeper {
namespace {

using channel::Channel;
using channel::RankPage;

constexpr const char* kVariable = "RANKPOOL_SPAWNED";

/// What a keeper hands over.
class SpawnedWorkers : public testing::Test {
 protected:
  SpawnedWorkers() {
    page_memory = ::memfd_create(channel::kRankPageName, MFD_CLOEXEC);
    base::resize(page_memory, channel::kRankPageSize);
    void* const memory = ::mmap(nullptr, channel::kRankPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, page_memory, 0);
    page = new (memory) RankPage;
    page->token.fill(0xab);
    EXPECT_EQ(::pipe2(wake, O_CLOEXEC | O_NONBLOCK), 0);
  }
  SpawnedWorkers(const SpawnedWorkers&) = delete;
  SpawnedWorkers& operator=(const SpawnedWorkers&) = delete;
  ~SpawnedWorkers() override {
    ::unsetenv(kVariable);
    ::munmap(page, channel::kRankPageSize);
    ::close(page_memory);
    ::close(wake[0]);
    ::close(wake[1]);
  }
  void hand_over(pid_t pid, int channel_fd, int page_fd, int wake_fd, const std::string& token) {
    const std::string text = std::to_string(pid) + "," + std::to_string(channel_fd) + "," + std::to_string(page_fd) +
                             "," + std::to_string(wake_fd) + "," + token;
    ::setenv(kVariable, text.c_str(), 1);
  }
  static std::string token_of(const char* byte) {
    std::string text;
    for (int i = 0; i < 16; ++i) text += byte;
    return text;
  }

  Channel channel;
  RankPage* page = nullptr;
  int page_memory = -1;
  int wake[2] = {-1, -1};
};

TEST_F(SpawnedWorkers, what_was_handed_over_is_taken_once) {
  hand_over(::getpid(), ::dup(channel.fd()), ::dup(page_memory), wake[1], token_of("ab"));
  const auto own = take_handover();
  ASSERT_TRUE(own);
  page->stop_requested.store(7);
  EXPECT_EQ(own->page->stop_requested.load(), 7U);  // the same memory
  EXPECT_EQ(own->wake, wake[1]);
  EXPECT_EQ(::fcntl(own->wake, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(own->channel.fd(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(std::getenv(kVariable), nullptr);  // no program that it starts is to find it
  EXPECT_FALSE(take_handover());
}

TEST_F(SpawnedWorkers, a_program_that_another_has_started_is_none) {
  hand_over(::getppid(), channel.fd(), page_memory, wake[1], token_of("ab"));
  EXPECT_FALSE(take_handover());
  EXPECT_EQ(std::getenv(kVariable), nullptr);
}

TEST_F(SpawnedWorkers, a_variable_that_makes_no_sense_is_ignored) {
  for (const char* const text : {"", "x", "1,2,3", "99999999999999999999,1,1,1,ab"}) {
    ::setenv(kVariable, text, 1);
    EXPECT_FALSE(take_handover()) << text;
  }
}

TEST_F(SpawnedWorkers, who_does_not_have_the_token_is_refused) {
  hand_over(::getpid(), channel.fd(), page_memory, wake[1], token_of("ac"));
  EXPECT_THROW(take_handover(), std::runtime_error);
  hand_over(::getpid(), channel.fd(), page_memory, wake[1], "ab");
  EXPECT_THROW(take_handover(), std::runtime_error);
}

TEST_F(SpawnedWorkers, descriptors_that_have_become_something_else_are_refused) {
  const int other = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  hand_over(::getpid(), other, ::dup(page_memory), wake[1], token_of("ab"));
  EXPECT_THROW(take_handover(), std::runtime_error);
  hand_over(::getpid(), channel.fd(), other, wake[1], token_of("ab"));
  EXPECT_THROW(take_handover(), std::runtime_error);
  hand_over(::getpid(), channel.fd(), ::dup(page_memory), other, token_of("ab"));
  EXPECT_THROW(take_handover(), std::runtime_error);
  ::close(other);
  hand_over(::getpid(), channel.fd(), page_memory, 999'999, token_of("ab"));
  EXPECT_THROW(take_handover(), std::runtime_error);
}

TEST_F(SpawnedWorkers, a_page_that_is_too_small_is_refused) {
  const int small = ::memfd_create(channel::kRankPageName, MFD_CLOEXEC);
  hand_over(::getpid(), channel.fd(), small, wake[1], token_of("ab"));
  EXPECT_THROW(take_handover(), std::runtime_error);
  ::close(small);
}

}  // namespace
}  // namespace rankpool::keeper
