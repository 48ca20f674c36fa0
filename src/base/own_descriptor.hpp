#pragma once

#include <sys/types.h>

namespace rankpool::base {

/// Moves a descriptor of the library's to a high number, so that it stands in nobody's way and is not the first to be
/// hit by who closes "3 to 9"; it is closed by exec. The new number; the old one where there is no room.
int to_high_number(int fd) noexcept;

/// Remembers what a descriptor was, so that nothing is written to what the user's code has made of its number.
class DescriptorIdentity {
 public:
  DescriptorIdentity() = default;
  explicit DescriptorIdentity(int fd) noexcept;
  /// The number still means the same file. One system call.
  [[nodiscard]] bool is(int fd) const noexcept;

 private:
  bool known_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace rankpool::base
