#include "parallel/spool.hpp"

#include "parallel/spool_file.hpp"

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace rankpool::parallel {

Spool::~Spool() {
  if (file_ >= 0) ::close(file_);
}

std::uint64_t Spool::store(std::string_view bytes) {
  if (file_ < 0) file_ = make_spool_file(folder_);
  write_fully(file_, bytes.data(), bytes.size());
  in_file_ += bytes.size();
  return std::exchange(end_, end_ + bytes.size());
}

std::string Spool::part(std::uint64_t offset, std::uint64_t most) const {
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(most, kPart)), '\0');
  while (true) {
    const ssize_t got = ::pread(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      throw std::system_error(got < 0 ? errno : EIO, std::generic_category(), "cannot read a temporary file");
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }
}

void Spool::dropped(std::uint64_t bytes) {
  in_file_ -= bytes;
  if (bytes == 0 || in_file_ > 0) return;
  // Nothing is wanted any more: the disk has its room back.
  if (::ftruncate(file_, 0) == 0) end_ = 0;
}

void Spool::Stream::append(Spool& spool, std::string_view bytes) {
  if (bytes.empty()) return;
  spool_ = &spool;
  if (spool.in_memory_ + bytes.size() <= spool.memory_) {
    spool.in_memory_ += bytes.size();
    memory_ += bytes;
    return;
  }
  const auto keep = [&](std::string_view part) {
    const std::uint64_t offset = spool.store(part);
    if (!extents_.empty() && extents_.back().offset + extents_.back().size == offset) {
      extents_.back().size += part.size();
    } else {
      extents_.push_back({offset, part.size()});
    }
  };
  if (!memory_.empty()) {
    keep(memory_);
    spool.in_memory_ -= memory_.size();
    std::string().swap(memory_);
  }
  keep(bytes);
}

void Spool::Stream::clear() {
  if (spool_ == nullptr) return;
  std::uint64_t bytes = 0;
  for (const auto& extent : extents_) bytes += extent.size;
  extents_.clear();
  spool_->in_memory_ -= memory_.size();
  std::string().swap(memory_);
  spool_->dropped(bytes);
  spool_ = nullptr;
}

void Spool::Stream::swap(Stream& other) noexcept {
  std::swap(spool_, other.spool_);
  extents_.swap(other.extents_);
  memory_.swap(other.memory_);
}

}  // namespace rankpool::parallel
