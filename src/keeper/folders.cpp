#include "keeper/folders.hpp"

#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace rankpool::keeper {
namespace {

/// A process that is about to die may still put something into a folder that is being removed.
constexpr int kAttempts = 5;

void remove_folder(const std::string& path) noexcept {
  std::error_code error;
  for (int i = 0; i < kAttempts && !path.empty(); ++i) {
    std::filesystem::remove_all(path, error);
    if (!error) return;
  }
}

std::string make_folder(std::string pattern) { return ::mkdtemp(pattern.data()) == nullptr ? std::string() : pattern; }

}  // namespace

std::optional<Folders> Folders::make() {
  std::error_code error;
  const std::string temporary = std::filesystem::temp_directory_path(error).string();
  if (error) {
    errno = error.value();
    return std::nullopt;
  }
  // The name tells whose they are, should this process be killed before it can remove them.
  const std::string name = "/rankpool-group-" + std::to_string(::getpid()) + "-XXXXXX";
  Folders made(Paths{make_folder(temporary + name), {}});
  if (made.paths_.files.empty()) return std::nullopt;
  made.paths_.shared_memory = make_folder("/dev/shm" + name);
  if (made.paths_.shared_memory.empty()) return std::nullopt;
  return made;
}

Folders::Paths& Folders::own() {
  static Paths paths;
  return paths;
}

Folders::Folders(Folders&& other) noexcept : paths_(other.leave()) {}

Folders& Folders::operator=(Folders&& other) noexcept {
  if (this != &other) {
    remove();
    paths_ = other.leave();
  }
  return *this;
}

Folders::~Folders() { remove(); }

Folders::Paths Folders::leave() noexcept { return std::exchange(paths_, Paths{}); }

void Folders::remove() noexcept {
  const int error = errno;
  remove_folder(paths_.files);
  remove_folder(paths_.shared_memory);
  errno = error;
}

}  // namespace rankpool::keeper
