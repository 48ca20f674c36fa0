#pragma once

#include "parallel/input.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace rankpool::parallel {

/// Reads the list of commands in a thread of its own, for standard input may keep it waiting.
class ItemQueue {
 public:
  /// `come`: called in that thread when something has come after there was nothing. `read_all`: nothing is given before
  /// all has been read; else a little is read ahead.
  ItemQueue(std::unique_ptr<Input> input, bool read_all, std::function<void()> come);
  /// The thread ends with the process if it is still reading.
  ~ItemQueue();
  ItemQueue(const ItemQueue&) = delete;
  ItemQueue& operator=(const ItemQueue&) = delete;

  enum class State { some, none_yet, ended };
  /// Moves the next one to `item` if there is `some`. Throws what reading has thrown.
  State take(Item& item);
  /// How many there are in all, once that is known.
  [[nodiscard]] std::optional<std::uint64_t> total();
  /// Waits until so many are there to be taken, or all.
  std::size_t wait_for(std::size_t count);

 private:
  struct Shared;
  static void read(const std::shared_ptr<Shared>& shared, std::unique_ptr<Input> input);
  std::shared_ptr<Shared> shared_;
  std::deque<Item> taken_;  ///< a handful, so that the lock is not taken for each
};

}  // namespace rankpool::parallel
