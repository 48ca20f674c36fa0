#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rankpool::parallel {

/// Keeps what has been printed and is not yet to be shown: in memory up to a limit, beyond that in one file without a
/// name. Used by one thread.
class Spool {
 public:
  explicit Spool(std::string folder, std::size_t memory = kMemory) : folder_(std::move(folder)), memory_(memory) {}
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// What one command has printed to one stream.
  class Stream {
   public:
    Stream() = default;
    Stream(Stream&& other) noexcept { swap(other); }
    Stream& operator=(Stream&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Stream() { clear(); }
    /// Throws std::system_error if it can neither be kept in memory nor in a file.
    void append(Spool& spool, std::string_view bytes);
    /// Calls `take(std::string_view)` for all of it, part by part.
    template <class Take>
    void read(Take&& take) const {
      for (const auto& extent : extents_) {
        for (std::uint64_t done = 0; done < extent.size;) {
          const std::string part = spool_->part(extent.offset + done, extent.size - done);
          take(std::string_view(part));
          done += part.size();
        }
      }
      if (!memory_.empty()) take(std::string_view(memory_));
    }
    void clear();
    [[nodiscard]] bool empty() const { return extents_.empty() && memory_.empty(); }

   private:
    struct Extent {
      std::uint64_t offset = 0;
      std::uint64_t size = 0;
    };
    void swap(Stream& other) noexcept;
    Spool* spool_ = nullptr;
    std::vector<Extent> extents_;  ///< before what is in memory
    std::string memory_;
  };

  [[nodiscard]] std::uint64_t bytes_in_file() const { return in_file_; }

 private:
  static constexpr std::size_t kMemory = 16 << 20;
  static constexpr std::size_t kPart = 256 * 1024;
  std::uint64_t store(std::string_view bytes);
  [[nodiscard]] std::string part(std::uint64_t offset, std::uint64_t most) const;
  void dropped(std::uint64_t bytes);

  std::string folder_;
  std::size_t memory_;
  std::size_t in_memory_ = 0;
  std::uint64_t in_file_ = 0;  ///< bytes of it that are still to be read
  std::uint64_t end_ = 0;
  int file_ = -1;
};

}  // namespace rankpool::parallel
