#pragma once

#include "watch/progress_reader.hpp"

#include <atomic>
#include <cstdint>

namespace rankpool::watch {

/// Where this process's progress goes: its stderr, or the terminal of the launcher that rankpool-run has told of.
class StderrOutput final : public ProgressOutput {
 public:
  /// `launched`: stderr is the launcher's, whatever it looks like. `kept` is shared with the keeper, or null.
  StderrOutput(bool launched, std::atomic<std::uint32_t>* kept);
  ~StderrOutput() override;
  StderrOutput(const StderrOutput&) = delete;
  StderrOutput& operator=(const StderrOutput&) = delete;

  std::optional<Size> terminal() override;
  [[nodiscard]] bool utf8() const override { return utf8_; }
  void write(const std::string& text) override;
  void kept(std::size_t lines) override;

 private:
  int fd_;
  bool is_terminal_ = false;
  bool utf8_ = false;
  std::atomic<std::uint32_t>* const kept_;
};

}  // namespace rankpool::watch
