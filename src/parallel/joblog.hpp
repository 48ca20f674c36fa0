#pragma once

#include "parallel/command.hpp"
#include "parallel/options.hpp"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

/// The record of what has been run, as GNU parallel writes and reads it: one line for each command that has ended.
namespace rankpool::parallel {

inline constexpr std::string_view kJoblogHeader =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// One line, with its newline. A newline in a command would end the line: it is written as a blank.
std::string joblog_line(std::uint64_t seq, const CommandEnd& end, std::uint64_t sent, const std::string& command);

struct JoblogEntry {
  std::uint64_t seq = 0;
  bool failed = false;
  std::string command;
};
/// Nothing if the line, without its newline, is none of a joblog.
std::optional<JoblogEntry> parse_joblog_line(std::string_view line);

/// The command as it stands in a joblog.
std::string joblog_text(const std::string& command);

/// What earlier runs have done: for each number whether it need not be run, and a hash of its command.
class History {
 public:
  void add(const JoblogEntry& entry);

  enum class Verdict {
    unknown,  ///< it has no line
    done,
    failed,
    changed,  ///< its line has another command
  };
  [[nodiscard]] Verdict verdict(std::uint64_t seq, const std::string& command) const;
  [[nodiscard]] bool knows(std::uint64_t seq) const { return seq < known_.size() && known_[seq] != Known::nothing; }
  [[nodiscard]] std::uint64_t highest() const { return known_.size(); }

 private:
  enum class Known : std::uint8_t { nothing, done, failed };
  std::vector<Known> known_;
  std::vector<std::uint64_t> hashes_;
};

/// The lines of a joblog file. Throws std::runtime_error if the file is no joblog; none if there is no file.
class JoblogFile {
 public:
  explicit JoblogFile(const std::string& path);
  ~JoblogFile();
  JoblogFile(const JoblogFile&) = delete;
  JoblogFile& operator=(const JoblogFile&) = delete;
  std::optional<JoblogEntry> next();
  /// The size of the whole lines: a run that was killed may have left part of one behind them.
  [[nodiscard]] std::uint64_t whole_size() const { return whole_; }

 private:
  int file_ = -1;
  std::string path_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t whole_ = 0;
  bool started_ = false;
};

/// Writes a joblog: each line at once and whole, and to the disk once a second.
class Joblog {
 public:
  enum class Open { anew, go_on };
  /// `whole_size`: where to go on. Throws std::system_error.
  Joblog(const std::string& path, Open how, std::uint64_t whole_size);
  ~Joblog();
  Joblog(const Joblog&) = delete;
  Joblog& operator=(const Joblog&) = delete;
  /// Throws std::system_error, and no part of the line stands there then.
  void write(const std::string& line);
  /// To the disk; throws std::system_error.
  void sync();

 private:
  void sync_each_second();

  std::string path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool dirty_ = false;
  bool ending_ = false;
  std::thread syncer_;
};

}  // namespace rankpool::parallel
