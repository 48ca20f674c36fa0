#include "watch/trace_file.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace rankpool::watch {
namespace {

constexpr std::array<std::uint8_t, 10> kGzipHeader{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

}  // namespace

TraceFile::TraceFile(std::string path) : path_(std::move(path)), gzip_(path_.ends_with(".gz")) {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), path_);
  if (gzip_) {
    write(kGzipHeader.data(), kGzipHeader.size(), 0);
    written_ = kGzipHeader.size();
  }
}

TraceFile::~TraceFile() { ::close(fd_); }

void TraceFile::compress() {
  checksum_ = gzip_checksum(checksum_, gathered_);
  length_ += gathered_.size();
  deflater_.write(gathered_);
  gathered_.clear();
}

void TraceFile::flush(std::string_view ending) {
  if (!gzip_) {
    const std::size_t stays = gathered_.size();
    gathered_ += ending;
    write(gathered_.data(), gathered_.size(), written_);
    written_ += stays;
    gathered_.clear();
    return;
  }
  compress();
  deflater_.flush();
  std::vector<std::uint8_t>& out = deflater_.output();
  const std::size_t stays = out.size();
  // One stored block, the last one, then checksum and length.
  const auto number = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i, value >>= 8U) out.push_back(static_cast<std::uint8_t>(value));
  };
  out.push_back(1);
  number(ending.size(), 2);
  number(~ending.size(), 2);
  out.insert(out.end(), ending.begin(), ending.end());
  number(gzip_checksum(checksum_, ending), 4);
  number(length_ + ending.size(), 4);
  write(out.data(), out.size(), written_);
  written_ += stays;
  out.clear();
}

void TraceFile::write(const void* from, std::size_t size, std::uint64_t at) {
  const auto* bytes = static_cast<const char*>(from);
  while (size > 0) {
    const ssize_t done = ::pwrite(fd_, bytes, size, static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw std::system_error(errno, std::generic_category(), path_);
    bytes += done;
    at += static_cast<std::uint64_t>(done);
    size -= static_cast<std::size_t>(done);
  }
}

}  // namespace rankpool::watch
