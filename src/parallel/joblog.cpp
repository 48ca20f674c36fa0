#include "parallel/joblog.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <system_error>

namespace rankpool::parallel {
namespace {

constexpr std::size_t kColumns = 9;

/// FNV-1a with a final mixing: two commands of a list have the same one about once in 10^19.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93;
  return hash ^ (hash >> 32);
}

std::system_error failure(const std::string& path) {
  return {errno, std::generic_category(), "cannot write the joblog " + path};
}

}  // namespace

std::string joblog_text(const std::string& command) {
  std::string text = command;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string joblog_line(std::uint64_t seq, const CommandEnd& end, std::uint64_t sent, const std::string& command) {
  std::array<char, 128> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "\t%.3f\t%10.3f\t%llu\t%llu\t%d\t%d\t", end.start, end.runtime,
                static_cast<unsigned long long>(sent), static_cast<unsigned long long>(end.received), end.exit_code,
                end.signal);
  return std::to_string(seq) + "\t" + end.host + numbers.data() + joblog_text(command) + "\n";
}

std::optional<JoblogEntry> parse_joblog_line(std::string_view line) {
  std::array<std::string_view, kColumns> columns;
  for (std::size_t i = 0; i < kColumns; ++i) {
    const auto tab = i + 1 < kColumns ? line.find('\t') : std::string_view::npos;
    columns[i] = line.substr(0, tab);
    if (tab == std::string_view::npos) {
      if (i + 1 < kColumns) return std::nullopt;
      break;
    }
    line.remove_prefix(tab + 1);
  }
  const auto number = [](std::string_view text, auto& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  };
  JoblogEntry entry;
  int exit_code = 0;
  int signal = 0;
  if (!number(columns[0], entry.seq) || entry.seq == 0) return std::nullopt;
  if (!number(columns[6], exit_code) || !number(columns[7], signal)) return std::nullopt;
  entry.failed = exit_code != 0 || signal != 0;
  entry.command = columns[8];
  return entry;
}

void History::add(const JoblogEntry& entry) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32;
  if (entry.seq >= kMost)
    throw std::runtime_error("the joblog has a line with the number " + std::to_string(entry.seq));
  if (entry.seq >= known_.size()) {
    known_.resize(entry.seq + 1, Known::nothing);
    hashes_.resize(entry.seq + 1, 0);
  }
  known_[entry.seq] = entry.failed ? Known::failed : Known::done;
  hashes_[entry.seq] = hash_of(entry.command);
}

History::Verdict History::verdict(std::uint64_t seq, const std::string& command) const {
  if (!knows(seq)) return Verdict::unknown;
  if (hashes_[seq] != hash_of(joblog_text(command))) return Verdict::changed;
  return known_[seq] == Known::failed ? Verdict::failed : Verdict::done;
}

JoblogFile::JoblogFile(const std::string& path) : path_(path) {
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0 && errno != ENOENT)
    throw std::system_error(errno, std::generic_category(), "cannot read the joblog " + path);
}

JoblogFile::~JoblogFile() {
  if (file_ >= 0) ::close(file_);
}

std::optional<JoblogEntry> JoblogFile::next() {
  while (file_ >= 0) {
    const auto end = buffer_.find('\n', at_);
    if (end == std::string::npos) {
      buffer_.erase(0, at_);
      at_ = 0;
      std::array<char, 65536> part{};
      const ssize_t got = ::read(file_, part.data(), part.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw std::system_error(errno, std::generic_category(), "cannot read the joblog " + path_);
      if (got == 0) return std::nullopt;
      buffer_.append(part.data(), static_cast<std::size_t>(got));
      continue;
    }
    const std::string_view line(buffer_.data() + at_, end - at_);
    const bool first = !started_;
    started_ = true;
    if (first && std::string(line) + "\n" != kJoblogHeader) {
      throw std::runtime_error(path_ + " is no joblog: its first line is not 'Seq Host Starttime ...'");
    }
    at_ = end + 1;
    whole_ += line.size() + 1;
    if (first) continue;
    auto entry = parse_joblog_line(line);
    if (!entry) throw std::runtime_error(path_ + " is damaged at byte " + std::to_string(whole_ - line.size() - 1));
    return entry;
  }
  return std::nullopt;
}

Joblog::Joblog(const std::string& path, Open how, std::uint64_t whole_size) : path_(path) {
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (how == Open::anew ? O_TRUNC : 0), 0666);
  if (file_ < 0) throw failure(path_);
  struct stat info {};
  const bool regular = ::fstat(file_, &info) == 0 && S_ISREG(info.st_mode);
  size_ = how == Open::go_on ? whole_size : 0;
  if (regular && (::ftruncate(file_, static_cast<off_t>(size_)) != 0 || ::lseek(file_, 0, SEEK_END) < 0))
    throw failure(path_);
  if (size_ == 0) write(std::string(kJoblogHeader));
  syncer_ = std::thread([this] { sync_each_second(); });
}

Joblog::~Joblog() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  syncer_.join();
  ::close(file_);
}

void Joblog::write(const std::string& line) {
  const ssize_t written = ::write(file_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    if (written >= 0) errno = ENOSPC;  // part of it went: there is no room for the rest
    const std::system_error error = failure(path_);
    if (written > 0) (void)!::ftruncate(file_, static_cast<off_t>(size_));
    throw error;
  }
  size_ += line.size();
  const std::lock_guard lock(mutex_);
  dirty_ = true;
}

void Joblog::sync() {
  if (::fdatasync(file_) != 0 && errno != EINVAL && errno != EROFS) throw failure(path_);
}

void Joblog::sync_each_second() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, std::chrono::seconds(1), [&] { return ending_; })) {
    if (!std::exchange(dirty_, false)) continue;
    lock.unlock();
    (void)::fdatasync(file_);  // what is wrong with the disk shows in the next write, or at the end
    lock.lock();
  }
}

}  // namespace rankpool::parallel
