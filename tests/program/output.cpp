// A rankpool program whose tasks print, fork and read, in the way its first argument names.
#include <rankpool/rankpool.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

int print_line(int number) {
  switch (number % 3) {
    case 0:
      std::printf("<%d printf>\n", number);
      break;
    case 1:
      std::cout << '<' << number << " cout>\n";
      break;
    default:
      std::cout << '<' << number << ' ' << "endl>" << std::endl;
  }
  return number;
}
void print_without_newline(int which) {
  if (which == 0) std::printf("printf");
  if (which == 1) std::cout << "cout";
}
int print_and_count() { return std::printf("int"); }
void print_and_throw() {
  std::printf("error");
  throw std::runtime_error("thrown by a test");
}
/// One line by each stream; what the wide ones write is plain text.
int print_by_all_streams(int) {
  std::clog << "by clog\n";
  std::wcout << L"by wcout\n";
  std::wclog << L"by wclog\n";
  std::cerr << "by cerr\n";
  std::cout << "by cout\n";
  return 1;
}
int print_by_wide_streams(int) {
  std::wcout << L"by wcout\n";
  std::wclog << L"by wclog\n";
  return 1;
}
int count_of_variables_of_rank() {
  int count = 0;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const bool pmix = text.starts_with("PMIX_") && !text.starts_with("PMIX_MCA_");
    if (pmix || text.starts_with("OMPI_COMM_") || text.starts_with("OMPI_UNIVERSE")) ++count;
  }
  return count;
}
int call_mpirun(const std::string& words) { return WEXITSTATUS(std::system(("mpirun " + words).c_str())); }

int read_input() { return std::getchar(); }

enum class ChildEnds { by_underscore_exit, by_exit, by_exec, by_signal };

int fork_inside(int how) {
  std::puts("parent");
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    switch (static_cast<ChildEnds>(how)) {
      case ChildEnds::by_underscore_exit:
        ::_exit(11);
      case ChildEnds::by_exit:
        std::puts("child");
        std::exit(12);
      case ChildEnds::by_exec:
        ::execlp("sh", "sh", "-c", "echo program; exit 13", nullptr);
        ::_exit(99);
      case ChildEnds::by_signal:
        std::abort();
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
pid_t own_pid(int) {
  ::usleep(20'000);
  return ::getpid();
}

int print_lines(int count) {
  rankpool::ProcessPoolExecutor executor;
  std::vector<int> items(static_cast<std::size_t>(count));
  std::iota(items.begin(), items.end(), 0);
  for (const int item : executor.map(print_line, items)) (void)item;
  return 0;
}

/// Standard output must be a file: tells how long it has become with each task.
int flush_with_each_task() {
  rankpool::ProcessPoolExecutor executor(1);
  const auto tell_length = [] {
    struct stat file {};
    ::fstat(STDOUT_FILENO, &file);
    std::cerr << file.st_size << '\n';
  };
  for (int which = 0; which < 2; ++which) {
    executor.submit(print_without_newline, which).result();
    tell_length();
  }
  executor.submit(print_and_count).result();
  tell_length();
  (void)executor.submit(print_and_throw).exception();
  tell_length();
  return 0;
}

int fork_in_tasks() {
  rankpool::ProcessPoolExecutor executor(1);
  for (int how = 0; how < 4; ++how) std::cerr << executor.submit(fork_inside, how).result() << '\n';
  return 0;
}

/// What main starts itself is none of the library's business.
int children_of_main() {
  rankpool::ProcessPoolExecutor executor(2);
  executor.bootup();
  std::cout << WEXITSTATUS(std::system("exit 7")) << '\n';
  FILE* const pipe = ::popen("cat; echo from a child; exit 8", "r");
  char line[64] = "";
  if (std::fgets(line, sizeof line, pipe) != nullptr) std::cout << line;
  std::cout << WEXITSTATUS(::pclose(pipe)) << '\n';
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) std::exit(9);
  int status = 0;
  ::waitpid(child, &status, 0);
  std::cout << WEXITSTATUS(status) << '\n' << (executor.submit(own_pid, 0).result() > 0) << std::endl;
  return 0;
}

int app(int, char** argv) {
  const std::string what = argv[1];
  if (what == "lines") return print_lines(std::atoi(argv[2]));
  if (what == "flush") return flush_with_each_task();
  if (what == "fork") return fork_in_tasks();
  if (what == "children") return children_of_main();
  if (what == "streams" || what == "wide-streams") {
    rankpool::ProcessPoolExecutor executor(1);
    executor.submit(what == "streams" ? print_by_all_streams : print_by_wide_streams, 0).result();
    return 0;
  }
  if (what == "mpirun") {  // its words are the second argument
    rankpool::ProcessPoolExecutor executor;
    int sum = 0;
    for (int i = 0; i < 4; ++i) sum += executor.submit(count_of_variables_of_rank).result();
    std::cout << "variables of a rank: " << sum << std::endl;
    std::cout << executor.submit(call_mpirun, std::string(argv[2])).result() << std::endl;
    return 0;
  }
  if (what == "once") {
    std::puts("main");
    rankpool::ProcessPoolExecutor executor(3);
    executor.bootup();
    executor.submit(print_line, 0).result();
    std::puts("end");
    return 0;
  }
  if (what == "input") {
    rankpool::ProcessPoolExecutor executor(1);
    const int read = executor.submit(read_input).result();
    std::string line;
    std::getline(std::cin, line);
    std::cout << (read == EOF) << ' ' << line << std::endl;
    return 0;
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  // Whole lines, since Open MPI 5 may print a part of one on standard error; and yet buffered, though mpirun gives a
  // terminal.
  if (what == "once" || what == "fork") std::setvbuf(stdout, nullptr, _IOFBF, BUFSIZ);
  if (what == "streams") std::ios::sync_with_stdio(false);
  if (what == "once") std::puts("before");
  return rankpool::run(argc, argv, app);
}
