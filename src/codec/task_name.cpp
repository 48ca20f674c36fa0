#include "codec/task_name.hpp"

#include <rankpool/detail/code_ref.hpp>
#include <rankpool/detail/task_context.hpp>

#include <cstring>

namespace rankpool::codec {
namespace {

/// A chunk without items: all that its invoker does is to say how the task is called.
class NoItems final : public detail::TaskContext {
 public:
  explicit NoItems(std::span<const std::byte> callable) {
    callable_ = callable;
    input_ = &nothing_;
    progress_ = &progress_of_none_;
  }
  [[nodiscard]] Name name() const noexcept { return name_; }

  void end_with_encoded(std::span<const std::byte>, std::span<const std::byte>) override {}
  void end_with_current_exception() override {}
  void end_skipped() override {}

 private:
  void end_with_value_slowly(const void*, std::size_t) override {}
  void check_flush() noexcept override {}
  void announce_item() noexcept override {}

  detail::Input nothing_{std::span<const std::byte>()};
  std::atomic<std::uint64_t> progress_of_none_{0};
};

}  // namespace

std::string name_of_task(std::span<const std::byte> head) {
  try {
    detail::CodeRef ref;
    if (head.size() < sizeof ref) return {};
    std::memcpy(&ref, head.data(), sizeof ref);
    const auto invoke = reinterpret_cast<detail::Invoker>(const_cast<void*>(detail::resolve(ref)));
    const auto callable = head.subspan(sizeof ref);
    NoItems context(callable);
    try {
      invoke(context);
    } catch (...) {  // a callable that cannot be decoded may have a name all the same
    }
    return context.name() == nullptr ? std::string() : context.name()(callable);
  } catch (...) {
    return {};
  }
}

}  // namespace rankpool::codec
