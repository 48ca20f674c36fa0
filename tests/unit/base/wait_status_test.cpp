#include "base/wait_status.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace rankpool::base {
namespace {

TEST(WaitStatus, a_signal_is_named) {  // EXC-16
  const auto how = how_it_ended(SIGSEGV);
  EXPECT_EQ(how.signal, "SIGSEGV");
  EXPECT_FALSE(how.exit_code);
  EXPECT_EQ(how.text, "ended by SIGSEGV");
  EXPECT_EQ(how_it_ended(SIGKILL | 0x80).signal, "SIGKILL");  // with a core dump
}

TEST(WaitStatus, an_exit_code_is_told) {  // EXC-15
  const auto how = how_it_ended(99 << 8);
  EXPECT_EQ(how.exit_code, 99);
  EXPECT_EQ(how.signal, "");
  EXPECT_EQ(how.text, "ended with exit code 99");
}

TEST(WaitStatus, a_signal_without_a_name_has_a_number) { EXPECT_EQ(signal_name(40), "signal 40"); }

}  // namespace
}  // namespace rankpool::base
