#pragma once

#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::tools {

using namespace std::chrono_literals;

inline bool until(const std::function<bool()>& holds, std::chrono::milliseconds limit = 30s) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A folder of the test's own, gone with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "rankpool-tools-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string path() const { return path_.string(); }
  /// A script; gives its path.
  std::string script(const std::string& name, const std::string& body) const {
    std::ofstream(path_ / name) << "#!/bin/bash\n" << body << '\n';
    std::filesystem::permissions(path_ / name, std::filesystem::perms::owner_all);
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

/// A program that a test starts, and whatever that starts: all carry a mark in their environment, by which none is
/// overlooked.
class StartedProgram {
 public:
  StartedProgram(std::vector<std::string> words, const std::vector<std::string>& variables,
                 const std::string& input = "") {
    static int number = 0;
    mark_ = "RANKPOOL_TEST_RUN=" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    std::ofstream(folder_ / "in") << input;
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setpgid(0, 0);
    redirect("in", O_RDONLY, STDIN_FILENO);
    redirect("out", O_WRONLY | O_CREAT, STDOUT_FILENO);
    redirect("err", O_WRONLY | O_CREAT, STDERR_FILENO);
    ::putenv(mark_.data());
    for (const auto& variable : variables) ::putenv(const_cast<char*>(variable.c_str()));
    ::execvp(arguments.front(), arguments.data());
    ::_exit(125);
  }
  StartedProgram(const StartedProgram&) = delete;
  StartedProgram& operator=(const StartedProgram&) = delete;
  ~StartedProgram() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    await();
    for (const pid_t pid : remains()) ::kill(pid, SIGKILL);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  void send(int signal) const { ::kill(pid_, signal); }
  [[nodiscard]] std::string out() const { return content(folder_ / "out"); }
  [[nodiscard]] std::string err() const { return content(folder_ / "err"); }

  /// The exit status as a shell has it; none if the limit comes first.
  std::optional<int> await(std::chrono::milliseconds limit = 60s) {
    if (pid_ > 0) {
      int status = 0;
      if (!until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, limit)) return std::nullopt;
      pid_ = -1;
      status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return status_;
  }

  /// Living processes that carry the mark.
  [[nodiscard]] std::vector<pid_t> remains() const {
    std::vector<pid_t> found;
    DIR* const folder = ::opendir("/proc");
    while (const dirent* const entry = ::readdir(folder)) {
      const pid_t pid = std::atoi(entry->d_name);
      if (pid <= 0) continue;
      const std::string text = content("/proc/" + std::string(entry->d_name) + "/environ");
      if (text.find(mark_ + '\0') != std::string::npos) found.push_back(pid);
    }
    ::closedir(folder);
    return found;
  }

 private:
  void redirect(const char* name, int flags, int to) const {
    ::dup2(::open((folder_ / name).c_str(), flags, 0600), to);
  }

  Folder folder_;
  std::string mark_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

}  // namespace rankpool::tools
