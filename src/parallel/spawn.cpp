#include "parallel/spawn.hpp"

#include "parallel/shell_words.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <string_view>
#include <system_error>

extern char** environ;

namespace rankpool::parallel {
namespace {

class Actions {
 public:
  Actions() { ::posix_spawn_file_actions_init(&actions_); }
  ~Actions() { ::posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// A process group of its own, and all signals as they are for a program that starts.
class Attributes {
 public:
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t set;
    sigemptyset(&set);
    ::posix_spawnattr_setsigmask(&attributes_, &set);
    // All that are not ignored: posix_spawn makes one system call for a signal that it is to reset, and two where it
    // has to look first.
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction now {};
      if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) sigaddset(&set, signal);
    }
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGQUIT}) sigaddset(&set, signal);
    ::posix_spawnattr_setsigdefault(&attributes_, &set);
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  [[nodiscard]] const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

constexpr std::string_view kPath = "PATH=";

std::vector<std::string> folders_of(const std::string& path) {
  std::istringstream text(path);
  std::vector<std::string> folders;
  for (std::string folder; std::getline(text, folder, ':');) folders.push_back(folder);
  return folders;
}

bool is_program(const char* file) {
  struct stat info {};
  return ::access(file, X_OK) == 0 && ::stat(file, &info) == 0 && S_ISREG(info.st_mode);
}

}  // namespace

Spawner::Spawner(const CommandSettings& settings, const std::string& host) : settings_(settings) {
  const auto replaced = [&](std::string_view name) {
    const auto same = [&](const auto& entry) { return entry.first == name; };
    return name == "PARALLEL_SEQ" || name == "PARALLEL_JOBSLOT" || name == "RANKPOOL_HOST" ||
           std::any_of(settings.env.begin(), settings.env.end(), same) ||
           std::find(settings.unset.begin(), settings.unset.end(), name) != settings.unset.end();
  };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!replaced(text.substr(0, text.find('=')))) variables_.emplace_back(text);
  }
  for (const auto& [name, value] : settings.env) variables_.push_back(name + "=" + value);
  variables_.push_back("RANKPOOL_HOST=" + host);
  for (auto& variable : variables_) {
    environment_.push_back(variable.data());
    if (variable.starts_with(kPath)) path_ = folders_of(variable.substr(kPath.size()));
  }
  environment_.resize(environment_.size() + 3, nullptr);
}

pid_t Spawner::start(const Command& command, const Streams& streams) {
  seq_ = "PARALLEL_SEQ=" + std::to_string(command.seq);
  slot_ = "PARALLEL_JOBSLOT=" + std::to_string(command.slot);
  environment_[environment_.size() - 3] = seq_.data();
  environment_[environment_.size() - 2] = slot_.data();
  pid_t pid = -1;
  const auto plain = plain_words(command.text, settings_.shell, environment_has_function);
  // A shell says in its own words what is wrong with a program that cannot be started.
  if (plain && spawn(pid, file_of(plain->front()).c_str(), *plain, streams) == 0) return pid;
  const std::vector<std::string> words{settings_.shell, "-c", command.text};
  const int error = spawn(pid, settings_.shell.c_str(), words, streams);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot start the shell " + settings_.shell);
  }
  return pid;
}

std::string Spawner::file_of(const std::string& name) const {
  if (name.find('/') != std::string::npos) return name;
  for (const auto& folder : path_) {
    if (!folder.starts_with('/')) return name;  // a folder of the command's working directory
    std::string file = folder + "/" + name;
    if (is_program(file.c_str())) return file;
  }
  return name;
}

int Spawner::spawn(pid_t& pid, const char* program, const std::vector<std::string>& words, const Streams& streams) {
  static const Attributes attributes;
  Actions actions;
  if (streams.in >= 0) ::posix_spawn_file_actions_adddup2(actions.get(), streams.in, STDIN_FILENO);
  if (streams.out >= 0) ::posix_spawn_file_actions_adddup2(actions.get(), streams.out, STDOUT_FILENO);
  if (streams.err >= 0) ::posix_spawn_file_actions_adddup2(actions.get(), streams.err, STDERR_FILENO);
  if (!settings_.workdir.empty()) ::posix_spawn_file_actions_addchdir_np(actions.get(), settings_.workdir.c_str());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  return ::posix_spawnp(&pid, program, actions.get(), attributes.get(), arguments.data(), environment_.data());
}

}  // namespace rankpool::parallel
