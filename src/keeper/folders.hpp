#pragma once

#include <optional>
#include <string>

namespace rankpool::keeper {

/// Two folders that a worker has to itself, one for files and one in shared memory. The keeper makes them before the
/// worker and removes them, with all that is in them, after it, however it ended. One thread.
class Folders {
 public:
  struct Paths {
    std::string files;
    std::string shared_memory;
  };

  /// Nothing, and `errno`, if they cannot be made.
  static std::optional<Folders> make();
  /// Those of this process; empty if it has none.
  static Paths& own();

  Folders(Folders&& other) noexcept;
  Folders& operator=(Folders&&) noexcept;
  /// Removes them.
  ~Folders();

  [[nodiscard]] const Paths& paths() const noexcept { return paths_; }
  /// Whoever made them removes them: not this object.
  Paths leave() noexcept;

 private:
  explicit Folders(Paths paths) : paths_(std::move(paths)) {}
  void remove() noexcept;

  Paths paths_;
};

}  // namespace rankpool::keeper
