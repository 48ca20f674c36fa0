#include "channel/blob.hpp"

#include "base/memfd.hpp"

#include <rankpool/errors.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace rankpool::channel {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

/// The number is in the name, so that a descriptor that was used again for something else is not taken for it.
std::string name_of(std::uint64_t id) { return "rankpool broadcast " + std::to_string(id); }

bool is_blob(int fd, std::uint64_t id, std::uint64_t size) {
  struct stat facts {};
  return base::is_memfd(fd, name_of(id)) && ::fstat(fd, &facts) == 0 &&
         static_cast<std::uint64_t>(facts.st_size) == size;
}

}  // namespace

Blob::Blob(std::uint64_t id, std::uint64_t size)
    : fd_(::memfd_create(name_of(id).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)), size_(static_cast<std::size_t>(size)) {
  if (fd_ < 0) fail("a broadcast's memory");
  if (size_ == 0) return;
  try {
    base::resize(fd_, size_);
    void* const memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) fail("a broadcast's memory");
    memory_ = static_cast<std::byte*>(memory);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Blob::~Blob() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
  ::close(fd_);
}

bool Blob::append(std::span<const std::byte> bytes) {
  if (bytes.size() > size_ - filled_) return false;
  if (bytes.empty()) return true;
  std::memcpy(memory_ + filled_, bytes.data(), bytes.size());
  filled_ += bytes.size();
  if (full()) seal();
  return true;
}

void Blob::seal() {
  // A seal against writing needs that nobody has it mapped for writing; a shared mapping counts as such.
  ::munmap(std::exchange(memory_, nullptr), size_);
  ::fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  void* const memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_, 0);
  if (memory == MAP_FAILED) fail("a broadcast's memory");
  memory_ = static_cast<std::byte*>(memory);
}

wire::BlobPlace Blob::place() const noexcept { return {::getpid(), fd_, size_}; }

MappedBlob::MappedBlob(std::uint64_t id, const wire::BlobPlace& place) : size_(static_cast<std::size_t>(place.size)) {
  const std::string path = "/proc/" + std::to_string(place.pid) + "/fd/" + std::to_string(place.fd);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Error("a broadcast cannot be opened (" + path + "): " + std::strerror(errno));
  if (!is_blob(fd, id, place.size)) {
    ::close(fd);
    throw Error("a broadcast was used after its last handle had gone");
  }
  if (size_ != 0) {
    void* const memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    ::close(fd);
    if (memory == MAP_FAILED) throw Error(std::string("a broadcast cannot be mapped: ") + std::strerror(error));
    memory_ = static_cast<const std::byte*>(memory);
  } else {
    ::close(fd);
  }
}

MappedBlob::~MappedBlob() {
  if (memory_ != nullptr) ::munmap(const_cast<std::byte*>(memory_), size_);
}

}  // namespace rankpool::channel
