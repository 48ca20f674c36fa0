#include "parallel/run_command.hpp"

#include "parallel/process_tree.hpp"
#include "parallel/shell_words.hpp"
#include "parallel/spawn.hpp"
#include "parallel/spool_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>

namespace rankpool::parallel {
namespace {

/// So much output goes with the result; more goes before it, in pieces. Rank 0 holds a few pieces of each worker.
constexpr std::size_t kWithResult = 256 * 1024;
constexpr std::size_t kPiece = 256 * 1024;
/// A line that is longer is not kept whole.
constexpr std::size_t kLongestLine = 16 << 20;

using Clock = std::chrono::steady_clock;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class CommandRunner {
 public:
  CommandRunner(CommandSettings settings, Queue<Piece> pieces, Value<double> time_limit)
      : settings_(std::move(settings)),
        pieces_(std::move(pieces)),
        time_limit_(std::move(time_limit)),
        spawner_(settings_, this_worker().host) {
    settings_.tmpdir = spool_folder(settings_.tmpdir);
    if (!settings_.workdir.empty()) std::filesystem::create_directories(settings_.workdir);
    keep_processes_of_commands();
  }

  CommandResult run(const Command& command) {
    command_ = &command;
    result_ = {};
    result_.end.host = this_worker().host;
    result_.end.rank = this_worker().rank;
    if (settings_.tell_rank) pieces_.put({command.seq, command.attempt, 0, std::to_string(this_worker().rank)});
    const int block = command.has_block ? block_file(command.block) : -1;
    if (settings_.output == OutputMode::line_buffer) {
      run_with_pipes(block);
    } else {
      run_with_files(block);
    }
    if (block >= 0) ::close(block);
    return std::move(result_);
  }

 private:
  void run_with_files(int block) {
    Streams streams{block, -1, -1};
    if (settings_.output == OutputMode::group) {
      for (int* file : {&out_file_, &err_file_}) {
        if (*file < 0) *file = make_spool_file(settings_.tmpdir);
      }
      streams.out = out_file_;
      streams.err = err_file_;
    }
    begin();
    const pid_t pid = spawner_.start(*command_, streams);
    end(wait_for(pid));
    const bool others_write = leftovers();
    if (settings_.output != OutputMode::group) return;
    result_.end.received = size_of(out_file_);
    take(out_file_, 1, result_.out);
    take(err_file_, 2, result_.err);
    if (others_write) {
      // Whatever runs on writes into the old ones.
      for (int* file : {&out_file_, &err_file_}) ::close(std::exchange(*file, -1));
    }
  }

  void begin() {
    result_.end.start = seconds_since_1970();
    began_ = Clock::now();
  }
  void end(int status) {
    result_.end.runtime = std::chrono::duration<double>(Clock::now() - began_).count();
    if (timed_out_) {
      result_.end.exit_code = -1;
      result_.end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : SIGTERM;
    } else if (WIFSIGNALED(status)) {
      result_.end.signal = WTERMSIG(status);
    } else {
      result_.end.exit_code = WEXITSTATUS(status);
    }
  }

  /// When the command is to be ended, and how long to wait until that is to be looked at again.
  struct Limit {
    bool passed = false;
    int wait = -1;  ///< ms
  };
  Limit limit() {
    constexpr double kForever = 1e9;
    constexpr int kLookAgain = 500;  // ms: where the limit varies
    constexpr double kLongestWait = 60'000;
    double seconds = settings_.timeout;
    if (settings_.timeout_varies) seconds = time_limit_.get();
    Limit result;
    if (seconds > 0 && seconds < kForever) {
      const double left = 1000 * (seconds - std::chrono::duration<double>(Clock::now() - began_).count());
      result.passed = left <= 0;
      result.wait = static_cast<int>(std::ceil(std::clamp(left, 0.0, kLongestWait)));
    }
    if (settings_.timeout_varies && (result.wait < 0 || result.wait > kLookAgain)) result.wait = kLookAgain;
    return result;
  }

  /// Its end, or the end that its time limit puts to it.
  int wait_for(pid_t pid) {
    timed_out_ = false;
    int status = 0;
    if (settings_.timeout > 0 || settings_.timeout_varies) {
      const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
      pollfd ended{handle, POLLIN, 0};
      Limit now = limit();
      while (!now.passed && ::poll(&ended, 1, now.wait) <= 0) now = limit();
      if (handle >= 0) ::close(handle);
      if (::waitpid(pid, &status, WNOHANG) == pid) return status;
      if (now.passed) return end_overdue(pid);
    }
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }
  int end_overdue(pid_t pid) {
    timed_out_ = true;
    return end_command(pid, left_before_);
  }
  /// Whether processes of this command, or of earlier ones, run on. They run until the worker ends.
  bool leftovers() {
    left_before_ = living_children();
    return !left_before_.empty();
  }

  static std::uint64_t size_of(int file) {
    struct stat info {};
    return ::fstat(file, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
  }

  /// What stands in the file, which is empty then: with the result, or in pieces if it is much.
  void take(int file, int stream, std::string& to) {
    const std::uint64_t size = size_of(file);
    if (size == 0) return;
    for (std::uint64_t from = 0; from < size;) {
      std::string part(static_cast<std::size_t>(std::min<std::uint64_t>(size - from, kPiece)), '\0');
      const ssize_t got = ::pread(file, part.data(), part.size(), static_cast<off_t>(from));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      part.resize(static_cast<std::size_t>(got));
      from += static_cast<std::uint64_t>(got);
      if (size <= kWithResult) {
        to = std::move(part);
      } else {
        send(stream, std::move(part));
      }
    }
    if (::ftruncate(file, 0) != 0) throw std::system_error(errno, std::generic_category(), "ftruncate");
  }
  void send(int stream, std::string bytes) {
    pieces_.put({command_->seq, command_->attempt, stream, std::move(bytes)});
    ++result_.pieces;
  }

  int block_file(const std::string& block) const {
    const int file = make_spool_file(settings_.tmpdir);
    write_fully(file, block.data(), block.size());
    ::lseek(file, 0, SEEK_SET);
    return file;
  }

  // -- line by line, while it runs
  struct Line {
    int pipe = -1;
    int stream = 1;
    std::string pending = {};  ///< of a line that has not ended
  };

  void run_with_pipes(int block) {
    std::array<Line, 2> lines{{{-1, 1}, {-1, 2}}};
    std::array<int, 2> ends{};
    for (std::size_t i = 0; i < 2; ++i) {
      std::array<int, 2> both{};
      if (::pipe2(both.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
      lines[i].pipe = both[0];
      ends[i] = both[1];
      ::fcntl(both[0], F_SETFL, O_NONBLOCK);
    }
    begin();
    const pid_t pid = spawner_.start(*command_, {block, ends[0], ends[1]});
    for (const int fd : ends) ::close(fd);
    end(follow(pid, lines));
    const bool others_write = leftovers();
    for (auto& line : lines) {
      read_lines(line);
      (line.stream == 1 ? result_.out : result_.err) = std::move(line.pending);
      if (!others_write) {
        ::close(line.pipe);
      } else {
        // A daemon would be ended by SIGPIPE, or stopped by a pipe that is full.
        std::thread([fd = line.pipe] {
          std::array<char, 4096> thrown_away{};
          ::fcntl(fd, F_SETFL, 0);
          while (::read(fd, thrown_away.data(), thrown_away.size()) > 0) {
          }
          ::close(fd);
        }).detach();
      }
    }
  }

  int follow(pid_t pid, std::array<Line, 2>& lines) {
    timed_out_ = false;
    const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    std::array<pollfd, 3> fds{{{handle, POLLIN, 0}, {lines[0].pipe, POLLIN, 0}, {lines[1].pipe, POLLIN, 0}}};
    int status = 0;
    while (true) {
      const Limit now = limit();
      ::poll(fds.data(), fds.size(), now.wait);
      for (std::size_t i = 0; i < 2; ++i) {
        if (fds[i + 1].revents == 0) continue;
        read_lines(lines[i]);
        if ((fds[i + 1].revents & POLLIN) == 0) fds[i + 1].fd = -1;  // its writers have gone
      }
      if (::waitpid(pid, &status, WNOHANG) == pid) break;
      if (now.passed) {
        status = end_overdue(pid);
        break;
      }
    }
    if (handle >= 0) ::close(handle);
    return status;
  }

  /// Sends the whole lines that have come.
  void read_lines(Line& line) {
    std::array<char, 65536> part{};
    for (ssize_t got = 0; (got = ::read(line.pipe, part.data(), part.size())) > 0;) {
      line.pending.append(part.data(), static_cast<std::size_t>(got));
      if (line.stream == 1) result_.end.received += static_cast<std::uint64_t>(got);
      const auto end = line.pending.rfind('\n');
      if (end != std::string::npos) {
        std::string rest = line.pending.substr(end + 1);
        line.pending.resize(end + 1);
        send(line.stream, std::exchange(line.pending, std::move(rest)));
      } else if (line.pending.size() > kLongestLine) {
        send(line.stream, std::exchange(line.pending, {}));
      }
    }
  }

  CommandSettings settings_;
  Queue<Piece> pieces_;
  Value<double> time_limit_;
  Spawner spawner_;
  std::vector<pid_t> left_before_;
  int out_file_ = -1;
  int err_file_ = -1;
  // of the command that runs
  const Command* command_ = nullptr;
  CommandResult result_;
  Clock::time_point began_;
  bool timed_out_ = false;
};

std::unique_ptr<CommandRunner>& runner() {
  static std::unique_ptr<CommandRunner> instance;
  return instance;
}

}  // namespace

void prepare_worker(CommandSettings settings, Queue<Piece> pieces, Value<double> time_limit) {
  runner() = std::make_unique<CommandRunner>(std::move(settings), std::move(pieces), std::move(time_limit));
}

CommandResult run_command(const Command& command) { return runner()->run(command); }

}  // namespace rankpool::parallel
