#include "parallel/spool_file.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace rankpool::parallel {

int make_spool_file(const std::string& folder) {
  int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_APPEND, 0600);
  if (file >= 0) return file;
  // Network file systems have no O_TMPFILE.
  std::string path = folder + "/rankpool-parallel-XXXXXX";
  file = ::mkostemp(path.data(), O_CLOEXEC | O_APPEND);
  if (file < 0) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot make a temporary file in " + folder + " (--tmpdir)");
  }
  ::unlink(path.c_str());
  return file;
}

std::string spool_folder(const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  const char* const folder = std::getenv("TMPDIR");
  return folder != nullptr && ::access(folder, W_OK) == 0 ? folder : "/tmp";
}

void write_fully(int file, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(file, bytes, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      throw std::system_error(errno, std::generic_category(), "write");
    }
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
}

}  // namespace rankpool::parallel
