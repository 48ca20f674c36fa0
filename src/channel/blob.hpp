#pragma once

#include "wire/shared.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace rankpool::channel {

/// The encoded bytes of one broadcast in memory that workers of the same node can map. Filled from front to back by one
/// thread; once full nobody can change it any more.
class Blob {
 public:
  /// Throws std::system_error.
  Blob(std::uint64_t id, std::uint64_t size);
  Blob(const Blob&) = delete;
  Blob& operator=(const Blob&) = delete;
  ~Blob();

  /// False if that would be more than its size.
  [[nodiscard]] bool append(std::span<const std::byte> bytes);
  [[nodiscard]] bool full() const noexcept { return filled_ == size_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {memory_, size_}; }
  /// Where other processes of this node find it.
  [[nodiscard]] wire::BlobPlace place() const noexcept;

 private:
  void seal();
  int fd_ = -1;
  std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
  std::size_t filled_ = 0;
};

/// Another process's blob, mapped. Throws rankpool::Error if it is not there any more.
class MappedBlob {
 public:
  MappedBlob(std::uint64_t id, const wire::BlobPlace& place);
  MappedBlob(const MappedBlob&) = delete;
  MappedBlob& operator=(const MappedBlob&) = delete;
  ~MappedBlob();
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {memory_, size_}; }

 private:
  const std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace rankpool::channel
