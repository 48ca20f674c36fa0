#pragma once

#include "wire/shared.hpp"

#include <rankpool/errors.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace rankpool::channel {

/// The encoded bytes of one broadcast in memory that workers of the same node can map. Filled from front to back by one
/// thread; once full nobody can change it any more.
///
/// A program may have more broadcasts than a process may have files open. So those that were asked for last have a
/// descriptor, `most_open()` of them; the others keep their memory, and get a descriptor, and a copy, when they are
/// asked for again. Made in any thread, used in one; no two of a process are asked for at the same time.
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
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t filled() const noexcept { return filled_; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {memory_, size_}; }
  /// Where other processes of this node find it, until as many others have been asked for: who comes later asks again.
  /// It must be full. Throws std::system_error.
  [[nodiscard]] wire::BlobPlace place() const;
  [[nodiscard]] static std::size_t most_open() noexcept;

 private:
  class OpenOnes;
  void seal() const;
  void open_again() const;
  void close_descriptor() const noexcept;

  const std::uint64_t id_;
  mutable int fd_ = -1;
  mutable std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
  std::size_t filled_ = 0;
};

/// A blob is not where it was said to be: nobody holds it any more, or others have been asked for since.
class BlobNotThere : public Error {
 public:
  using Error::Error;
};

/// Another process's blob, mapped. Throws BlobNotThere, or another rankpool::Error if it cannot be mapped.
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
