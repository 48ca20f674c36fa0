#include "parallel/retry_input.hpp"

#include "parallel/joblog.hpp"

#include <map>
#include <utility>

namespace rankpool::parallel {
namespace {

class RetryInput final : public Input {
 public:
  explicit RetryInput(const std::string& joblog) {
    JoblogFile file(joblog);
    while (auto entry = file.next()) {
      if (entry->failed) {
        failed_[entry->seq] = std::move(entry->command);
      } else {
        failed_.erase(entry->seq);
      }
    }
  }
  std::optional<Item> next() override {
    if (failed_.empty()) return std::nullopt;
    const auto first = failed_.extract(failed_.begin());
    Item item;
    item.seq = first.key();
    item.arguments.push_back(std::move(first.mapped()));
    return item;
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }

 private:
  std::map<std::uint64_t, std::string> failed_;
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Input> retry_input(const std::string& joblog) { return std::make_unique<RetryInput>(joblog); }

}  // namespace rankpool::parallel
