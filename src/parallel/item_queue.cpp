#include "parallel/item_queue.hpp"

#include <thread>
#include <utility>

namespace rankpool::parallel {
namespace {

constexpr std::size_t kAhead = 512;
constexpr std::size_t kBytesAhead = 8 << 20;

std::size_t size_of(const Item& item) {
  std::size_t size = item.block.size();
  for (const auto& argument : item.arguments) size += argument.size();
  return size;
}

}  // namespace

struct ItemQueue::Shared {
  std::mutex mutex;
  std::condition_variable room;
  std::condition_variable come;
  std::deque<Item> items;
  std::size_t bytes = 0;
  std::uint64_t count = 0;
  bool read_all = false;
  bool ended = false;
  bool given_up = false;
  std::exception_ptr error;
  std::function<void()> tell;  ///< empty once nobody is to be told
};

ItemQueue::ItemQueue(std::unique_ptr<Input> input, bool read_all, std::function<void()> come)
    : shared_(std::make_shared<Shared>()) {
  shared_->read_all = read_all;
  shared_->tell = std::move(come);
  std::thread([shared = shared_, input = std::move(input)]() mutable { read(shared, std::move(input)); }).detach();
}

ItemQueue::~ItemQueue() {
  const std::lock_guard lock(shared_->mutex);
  shared_->given_up = true;
  shared_->tell = nullptr;
  shared_->room.notify_all();
}

void ItemQueue::read(const std::shared_ptr<Shared>& shared, std::unique_ptr<Input> input) {
  while (true) {
    std::optional<Item> item;
    std::exception_ptr error;
    try {
      item = input->next();
    } catch (...) {
      error = std::current_exception();
    }
    std::unique_lock lock(shared->mutex);
    if (shared->given_up) return;
    if (!item) {
      shared->ended = true;
      shared->error = error;
    } else {
      shared->room.wait(lock, [&] {
        return shared->given_up || shared->read_all || (shared->items.size() < kAhead && shared->bytes < kBytesAhead);
      });
      if (shared->given_up) return;
      shared->bytes += size_of(*item);
      shared->items.push_back(std::move(*item));
      ++shared->count;
    }
    if (shared->items.size() <= 1 || shared->ended) shared->tell();
    shared->come.notify_one();
    if (shared->ended) return;
  }
}

ItemQueue::State ItemQueue::take(Item& item) {
  if (taken_.empty()) {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->read_all && !shared_->ended) return State::none_yet;
    constexpr std::size_t kAtOnce = 64;
    while (!shared_->items.empty() && taken_.size() < kAtOnce) {
      shared_->bytes -= size_of(shared_->items.front());
      taken_.push_back(std::move(shared_->items.front()));
      shared_->items.pop_front();
    }
    shared_->room.notify_one();
    if (taken_.empty()) {
      if (shared_->error) std::rethrow_exception(std::exchange(shared_->error, nullptr));
      return shared_->ended ? State::ended : State::none_yet;
    }
  }
  item = std::move(taken_.front());
  taken_.pop_front();
  return State::some;
}

std::optional<std::uint64_t> ItemQueue::total() {
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->ended) return std::nullopt;
  return shared_->count;
}

std::size_t ItemQueue::wait_for(std::size_t count) {
  std::unique_lock lock(shared_->mutex);
  shared_->come.wait(
      lock, [&] { return shared_->ended || shared_->items.size() >= count || shared_->items.size() >= kAhead; });
  return shared_->items.size();
}

}  // namespace rankpool::parallel
