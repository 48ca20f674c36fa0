#include "parallel/spawn.hpp"

#include "parallel/shell_words.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <string_view>
#include <system_error>

extern char** environ;

namespace rankpool::parallel {
namespace {

/// All that a new process does before its program, made ready: until then it runs in the memory of this one.
struct Beginning {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* folder;  ///< null: the one of this process
  Streams streams;
  const std::vector<int>& signals;  ///< those that this process does not leave as they are for a program that starts
};

/// Those that have a handler, and those that are not to be ignored though they are here.
std::vector<int> signals_to_reset() {
  std::vector<int> signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGQUIT};
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_IGN || now.sa_handler == SIG_DFL) continue;
    if (std::find(signals.begin(), signals.end(), signal) == signals.end()) signals.push_back(signal);
  }
  return signals;
}

bool redirect(int from, int to) {
  if (from < 0) return true;
  // dup2 leaves a descriptor that is itself as it is, to be closed when the program begins.
  return from == to ? ::fcntl(to, F_SETFD, 0) == 0 : ::dup2(from, to) == to;
}

/// Runs in the new process. Returns, with errno, only if the program cannot be started.
void become(const Beginning& beginning) {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (const int signal : beginning.signals) ::sigaction(signal, &usual, nullptr);
  if (::setpgid(0, 0) != 0) return;
  const Streams& streams = beginning.streams;
  if (!redirect(streams.in, STDIN_FILENO) || !redirect(streams.out, STDOUT_FILENO) ||
      !redirect(streams.err, STDERR_FILENO)) {
    return;
  }
  if (beginning.folder != nullptr && ::chdir(beginning.folder) != 0) return;
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(beginning.program, beginning.arguments, beginning.environment);
}

/// Starts it. Returns an errno, 0 if the program runs.
///
/// With vfork, as Python's subprocess has it: posix_spawn resets or looks at each of the 64 signals in the new process,
/// and maps a stack for it each time.
int start_process(pid_t& pid, const Beginning& beginning) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // A handler of this process must not run in the other.
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  volatile int error = 0;
  pid = ::vfork();
  if (pid == 0) {
    become(beginning);
    error = errno;
    ::_exit(127);
  }
  if (pid < 0) error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid > 0 && error != 0) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  return error;
}

constexpr std::string_view kPath = "PATH=";

std::vector<std::string> folders_of(const std::string& path) {
  std::istringstream text(path);
  std::vector<std::string> folders;
  for (std::string folder; std::getline(text, folder, ':');) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(folder);
  }
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
  if (plain) {
    const auto file = file_of(plain->front());
    if (file && spawn(pid, *file, *plain, streams) == 0) return pid;
  }
  const std::vector<std::string> words{settings_.shell, "-c", command.text};
  const int error = spawn(pid, file_of(settings_.shell).value_or(settings_.shell), words, streams);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot start the shell " + settings_.shell);
  }
  return pid;
}

std::optional<std::string> Spawner::file_of(const std::string& name) const {
  if (name.find('/') != std::string::npos) return name;
  for (const auto& folder : path_) {
    if (!folder.starts_with('/')) return std::nullopt;  // a folder of the command's working directory
    std::string file = folder + "/" + name;
    if (is_program(file.c_str())) return file;
  }
  return std::nullopt;
}

int Spawner::spawn(pid_t& pid, const std::string& program, const std::vector<std::string>& words,
                   const Streams& streams) {
  static const std::vector<int> signals = signals_to_reset();
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  return start_process(pid, {.program = program.c_str(),
                             .arguments = arguments.data(),
                             .environment = environment_.data(),
                             .folder = settings_.workdir.empty() ? nullptr : settings_.workdir.c_str(),
                             .streams = streams,
                             .signals = signals});
}

}  // namespace rankpool::parallel
