#include "channel/blob.hpp"

#include "base/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

namespace rankpool::channel {
namespace {

constexpr std::size_t kFewestOpen = 4;
constexpr std::size_t kMostOpen = 128;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

/// The number is in the name, so that a descriptor that was used again for something else is not taken for it.
std::string name_of(std::uint64_t id) { return "rankpool broadcast " + std::to_string(id); }

bool is_blob(int fd, std::uint64_t id, std::uint64_t size) {
  struct stat facts {};
  return base::is_memfd(fd, name_of(id)) && ::fstat(fd, &facts) == 0 &&
         static_cast<std::uint64_t>(facts.st_size) == size;
}

}  // namespace

/// Those that have a descriptor and are full, whoever was asked for last behind the others.
class Blob::OpenOnes {
 public:
  static OpenOnes& instance() {
    static OpenOnes* const all = new OpenOnes;  // broadcasts may be static objects
    return *all;
  }
  std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  /// The rest with the lock held.
  void put_last(const Blob* blob) {
    remove(blob);
    blobs_.push_back(blob);
    while (blobs_.size() > most_open()) close_first();
  }
  void remove(const Blob* blob) noexcept { std::erase(blobs_, blob); }
  /// A descriptor that was made after others have made room, if it has to be.
  int make(const std::string& name) {
    while (true) {
      const int fd = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
      if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || blobs_.empty()) return fd;
      close_first();
    }
  }

 private:
  void close_first() noexcept {
    blobs_.front()->close_descriptor();
    blobs_.erase(blobs_.begin());
  }
  std::mutex mutex_;
  std::vector<const Blob*> blobs_;
};

std::size_t Blob::most_open() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kFewestOpen;
  return std::clamp(static_cast<std::size_t>(limit.rlim_cur) / 8, kFewestOpen, kMostOpen);
}

Blob::Blob(std::uint64_t id, std::uint64_t size) : id_(id), size_(static_cast<std::size_t>(size)) {
  OpenOnes& all = OpenOnes::instance();
  const auto lock = all.lock();
  fd_ = all.make(name_of(id));
  if (fd_ < 0) fail("a broadcast's memory");
  try {
    if (size_ == 0) {
      all.put_last(this);
      return;
    }
    base::resize(fd_, size_);
    void* const memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) fail("a broadcast's memory");
    memory_ = static_cast<std::byte*>(memory);
  } catch (...) {
    close_descriptor();
    throw;
  }
}

Blob::~Blob() {
  OpenOnes& all = OpenOnes::instance();
  const auto lock = all.lock();
  all.remove(this);
  if (memory_ != nullptr) ::munmap(memory_, size_);
  close_descriptor();
}

void Blob::close_descriptor() const noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool Blob::append(std::span<const std::byte> bytes) {
  if (bytes.size() > size_ - filled_) return false;
  if (bytes.empty()) return true;
  std::memcpy(memory_ + filled_, bytes.data(), bytes.size());
  filled_ += bytes.size();
  if (full()) {
    OpenOnes& all = OpenOnes::instance();
    const auto lock = all.lock();
    seal();
    all.put_last(this);
  }
  return true;
}

void Blob::seal() const {
  // A seal against writing needs that nobody has it mapped for writing; a shared mapping counts as such.
  ::munmap(std::exchange(memory_, nullptr), size_);
  ::fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  void* const memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_, 0);
  if (memory == MAP_FAILED) fail("a broadcast's memory");
  memory_ = static_cast<std::byte*>(memory);
}

/// Its memory becomes that of a new descriptor.
void Blob::open_again() const {
  fd_ = OpenOnes::instance().make(name_of(id_));
  if (fd_ < 0) fail("a broadcast's memory");
  if (size_ == 0) return;
  std::byte* const before = memory_;
  try {
    base::resize(fd_, size_);
    void* const memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) fail("a broadcast's memory");
    std::memcpy(memory, before, size_);
    memory_ = static_cast<std::byte*>(memory);
    seal();
  } catch (...) {
    if (memory_ != nullptr && memory_ != before) ::munmap(memory_, size_);
    memory_ = before;
    close_descriptor();
    throw;
  }
  ::munmap(before, size_);
}

wire::BlobPlace Blob::place() const {
  OpenOnes& all = OpenOnes::instance();
  const auto lock = all.lock();
  if (fd_ < 0) open_again();
  all.put_last(this);
  return {::getpid(), fd_, size_};
}

MappedBlob::MappedBlob(std::uint64_t id, const wire::BlobPlace& place) : size_(static_cast<std::size_t>(place.size)) {
  const std::string path = "/proc/" + std::to_string(place.pid) + "/fd/" + std::to_string(place.fd);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw BlobNotThere("a broadcast cannot be opened (" + path + "): " + std::strerror(errno));
  if (!is_blob(fd, id, place.size)) {
    ::close(fd);
    throw BlobNotThere("a broadcast was used after its last handle had gone");
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
