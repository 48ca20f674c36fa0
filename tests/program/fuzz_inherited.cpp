// Starts a program many times, each time with something else that it inherits: closed descriptors, open files, blocked
// and ignored signals, threads before `run`, limits. Each start must end right, or with a sentence, within its time,
// and leave nothing.
//   fuzz_inherited COUNT SEED PROGRAM RANKPOOL_RUN
//   fuzz_inherited setup SEED [launched] PROGRAM ARGUMENTS...      becomes the program in the state that the seed means
#include "tools/started_program.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <random>
#include <set>
#include <string_view>

namespace {

using namespace rankpool::tools;

using Random = std::mt19937;

int up_to(Random& random, int most) { return std::uniform_int_distribution<int>(0, most)(random); }
bool one_in(Random& random, int number) { return up_to(random, number - 1) == 0; }

void limit(int what, rlim_t most) {
  rlimit set{most, most};
  ::setrlimit(static_cast<__rlimit_resource>(what), &set);
}

/// What a start has, decided by its seed.
struct Setup {
  explicit Setup(unsigned seed, bool launched) : random(seed) {
    for (int fd = 0; fd < 3; ++fd) {
      if (!launched && one_in(random, 4)) closed.insert(fd);
    }
    for (int i = up_to(random, 4); i > 0; --i) open.insert(3 + up_to(random, one_in(random, 2) ? 9 : 900));
    for (int i = up_to(random, 6); i > 0; --i) ignored.insert(1 + up_to(random, 63));
    for (int i = up_to(random, 6); i > 0; --i) blocked.insert(1 + up_to(random, 63));
    ignored.erase(SIGXFSZ);  // it would hide a limit
    if (one_in(random, 3)) ignored.insert(SIGCHLD);
    if (one_in(random, 3)) ignored.insert(SIGPIPE);
    if (launched) return;
    switch (up_to(random, 8)) {
      case 0:
        files = 5 + static_cast<unsigned>(up_to(random, 40));
        break;
      case 1:
        memory = (20U + static_cast<unsigned>(up_to(random, 200))) << 20U;
        break;
      case 2:
        file_size = (1U + static_cast<unsigned>(up_to(random, 700))) << 10U;
        break;
      case 3:
        if (::geteuid() == 0) processes = 1 + static_cast<unsigned>(up_to(random, 7));
        break;
      default:
        break;
    }
  }
  [[nodiscard]] bool limited() const { return files + memory + file_size + processes != 0; }
  [[nodiscard]] std::string text() const {
    std::string text;
    const auto list = [&](const char* what, const std::set<int>& numbers) {
      if (numbers.empty()) return;
      text += std::string(" ") + what;
      for (const int number : numbers) text += " " + std::to_string(number);
    };
    list("closed", closed);
    list("open", open);
    list("ignored", ignored);
    list("blocked", blocked);
    const auto number = [&](const char* what, rlim_t value) {
      if (value != 0) text += std::string(" ") + what + " " + std::to_string(value);
    };
    number("files", files);
    number("memory", memory);
    number("file size", file_size);
    number("processes", processes);
    return text;
  }
  /// Makes this process so.
  void apply() const {
    for (const int fd : open) ::dup2(::open("/dev/null", O_RDWR), fd);
    for (const int signal : ignored) ::signal(signal, SIG_IGN);
    sigset_t mask;
    sigemptyset(&mask);
    for (const int signal : blocked) sigaddset(&mask, signal);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    for (const int fd : closed) ::close(fd);
    if (file_size != 0) limit(RLIMIT_FSIZE, file_size);
    if (memory != 0) limit(RLIMIT_AS, memory);
    if (files != 0) limit(RLIMIT_NOFILE, files);
    if (processes != 0) {
      limit(RLIMIT_NPROC, processes);
      if (::setuid(100'000 + static_cast<uid_t>(::getpid())) != 0) ::_exit(97);
    }
  }

  Random random;
  std::set<int> closed, open, ignored, blocked;
  rlim_t files = 0, memory = 0, file_size = 0, processes = 0;
};

int become(int argc, char** argv) {
  const auto seed = static_cast<unsigned>(std::stoul(argv[2]));
  const bool launched = std::string_view(argv[3]) == "launched";
  char** const program = argv + (launched ? 4 : 3);
  Setup(seed, launched).apply();
  (void)argc;
  ::execv(program[0], program);
  return 127;
}

/// Nothing if the start went well.
std::string start(unsigned seed, const std::string& self, const std::string& program, const std::string& rankpool_run) {
  const Folder folder;
  ::chmod(folder.path().c_str(), 0777);
  const int way = static_cast<int>(seed % 12);
  const bool launched = way < 2;
  std::vector<std::string> words{"timeout", "-k", "5", "40"};
  if (way == 0) words.insert(words.end(), {"mpirun", "--oversubscribe", "-n", "2"});
  if (way == 1) words.insert(words.end(), {rankpool_run, "-n", "2", "--"});
  const std::string number = std::to_string(seed);
  words.insert(words.end(), {self, "setup", number});
  if (launched) words.emplace_back("launched");
  words.insert(words.end(), {program, "fuzz", folder.path(), number});
  const Setup setup(seed, launched);
  StartedProgram started(words, {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                 "OMPI_MCA_btl_vader_backing_directory=" + folder.path(),
                                 "OMPI_MCA_btl_sm_backing_directory=" + folder.path()});
  const auto status = started.await(60s);
  const std::string told = content(folder / "result");
  const std::string err = started.err();
  std::string wrong;
  if (!status || *status == 124 || *status == 137) {
    wrong = "no end";
  } else if (*status == 0 && told == "right\n") {
    wrong = "";
  } else if (!setup.limited()) {
    wrong = "status " + std::to_string(*status) + ", and it told: " + told;
  } else if (*status >= 128) {
    wrong = "status " + std::to_string(*status);
  } else if (*status != 127 && told.empty() && err.empty() && !setup.closed.contains(STDERR_FILENO)) {
    wrong = "no sentence, status " + std::to_string(*status);
  }
  if (!until([&] { return started.remains().empty(); }, 3s)) wrong += ", and processes are left";
  if (wrong.empty()) return "";
  return wrong + "\n  seed " + number + ":" + setup.text() + "\n  told: " + told + "  stderr: " + err;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 3 && std::string_view(argv[1]) == "setup") return become(argc, argv);
  if (argc != 5) return 2;
  const int count = std::stoi(argv[1]);
  const auto first = static_cast<unsigned>(std::stoul(argv[2]));
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  int bad = 0;
  for (int i = 0; i < count; ++i) {
    const std::string wrong = start(first + static_cast<unsigned>(i), self, argv[3], argv[4]);
    if (wrong.empty()) continue;
    ++bad;
    std::cout << wrong << std::endl;
  }
  std::cout << count << " starts from seed " << first << ", " << bad << " of them wrong" << std::endl;
  return bad == 0 ? 0 : 1;
}
