#include "keeper/spawned_worker.hpp"

#include "base/inheritance.hpp"
#include "base/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace rankpool::keeper {
namespace {

constexpr const char* kVariable = "RANKPOOL_SPAWNED";

std::string hex(const channel::RankPage::Token& token) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : token) text += {digits[byte / 16U], digits[byte % 16U]};
  return text;
}

/// Texts with a zero behind each, as the kernel keeps those that a process was started with.
std::vector<std::string> texts_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> texts;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find('\0', begin), all.size());
    texts.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  return texts;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void pass_through_exec(int fd) {
  if (::fcntl(fd, F_SETFD, 0) != 0) fail("a descriptor for a spawned worker");
}

[[noreturn]] void not_there() {
  throw std::runtime_error(
      "what its keeper has handed to it is not there: has main() closed descriptors before rankpool::run() or "
      "prepare()?");
}

/// The page, if the descriptor leads to one with that token.
channel::RankPage* map_page(int fd, std::string_view token) {
  struct stat status {};
  if (!base::is_memfd(fd, channel::kRankPageName) || ::fstat(fd, &status) != 0 ||
      status.st_size < static_cast<off_t>(channel::kRankPageSize)) {
    return nullptr;
  }
  void* const memory = ::mmap(nullptr, channel::kRankPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* const page = static_cast<channel::RankPage*>(memory);
  return hex(page->token) == token ? page : nullptr;
}

}  // namespace

void execute_program(const Handover& handover, const channel::RankPage& page) {
  for (const int fd : {handover.channel, handover.page, handover.wake}) pass_through_exec(fd);
  auto arguments = texts_of("/proc/self/cmdline");
  auto environment = texts_of("/proc/self/environ");
  if (arguments.empty()) throw std::runtime_error("the program's arguments cannot be read from /proc");
  environment.push_back(std::string(kVariable) + "=" + std::to_string(::getpid()) + "," +
                        std::to_string(handover.channel) + "," + std::to_string(handover.page) + "," +
                        std::to_string(handover.wake) + "," + hex(page.token));
  if (::chdir(base::directory_at_start()) != 0) {
    // It is gone: the fresh execution finds itself where the program is.
  }
  ::execve("/proc/self/exe", pointers_to(arguments).data(), pointers_to(environment).data());
  fail("the program cannot be executed again");
}

std::optional<SpawnedWorker> take_handover() {
  const char* const variable = std::getenv(kVariable);
  if (variable == nullptr) return std::nullopt;
  const std::string text = variable;
  ::unsetenv(kVariable);
  int pid = 0;
  Handover own;
  std::array<char, 64> token{};
  const int read =
      std::sscanf(text.c_str(), "%d,%d,%d,%d,%63s", &pid, &own.channel, &own.page, &own.wake, token.data());
  if (read != 5 || pid != ::getpid()) return std::nullopt;  // another process', which has started this one
  channel::RankPage* const page = map_page(own.page, token.data());
  if (page == nullptr || !base::is_memfd(own.channel, channel::Channel::kName)) not_there();
  struct stat wake {};
  if (::fstat(own.wake, &wake) != 0 || !S_ISFIFO(wake.st_mode)) not_there();
  ::close(own.page);
  for (const int fd : {own.channel, own.wake}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return SpawnedWorker{channel::Channel(own.channel), page, own.wake};
}

}  // namespace rankpool::keeper
