#include "engine/mailbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <cerrno>
#include <system_error>

namespace rankpool::engine {

Mailbox::Mailbox() : fd_(base::to_high_number(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))), identity_(fd_) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Mailbox::~Mailbox() { ::close(fd_); }

void Mailbox::post(Command command) {
  post_locked([&] { return std::move(command); });
}

bool Mailbox::post_if_open(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    incoming_.push_back(std::move(command));
    filled_.store(true, std::memory_order_seq_cst);
  }
  wake();
  return true;
}

void Mailbox::close(std::vector<Command>& taken) {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  incoming_.swap(taken);
}

void Mailbox::take(std::vector<Command>& taken) {
  const std::lock_guard lock(mutex_);
  incoming_.swap(taken);
  filled_.store(false, std::memory_order_seq_cst);
}

bool Mailbox::prepare_sleep() {
  sleeping_.store(true, std::memory_order_seq_cst);
  return empty();
}

void Mailbox::allow_inline_dispatch(InlineDispatcher& by) {
  const std::lock_guard lock(inline_mutex_);
  inline_dispatcher_ = &by;
}

void Mailbox::end_inline_dispatch() {
  const std::lock_guard lock(inline_mutex_);
  inline_dispatcher_ = nullptr;
}

/// With the mailbox locked, so that those who come later find either an inline dispatch under way, and post, or this
/// work begun.
bool Mailbox::begin_inline_dispatch(const SubmitWork& submission) {
  // Once somebody has rung, the engine is on its way.
  if (!sleeping_.load(std::memory_order_relaxed) || !incoming_.empty() || !inline_mutex_.try_lock()) return false;
  if (inline_dispatcher_ != nullptr && inline_dispatcher_->takes(submission)) return true;
  inline_mutex_.unlock();
  return false;
}

void Mailbox::dispatch_inline(SubmitWork&& submission) noexcept {
  Command command(std::move(submission));
  const channel::FutexWake wakeup = inline_dispatcher_->serve(command);
  inline_mutex_.unlock();
  wakeup.ring();  // not before: the worker may take this very core, and its outcome would find this dispatch under way
}

void Mailbox::awake(bool rung) {
  sleeping_.store(false, std::memory_order_seq_cst);
  if (!rung) return;
  if (!intact()) return;
  std::uint64_t count = 0;
  [[maybe_unused]] const auto drained = ::read(fd_, &count, sizeof count);
}

void Mailbox::wake() noexcept {
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  // One post wakes; those behind it need not ring again.
  if (!sleeping_.exchange(false, std::memory_order_seq_cst)) return;
  if (!intact()) return;  // it may be a file of the program by now
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
}

}  // namespace rankpool::engine
