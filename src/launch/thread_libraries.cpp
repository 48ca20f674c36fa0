#include "launch/thread_libraries.hpp"

#include "base/inheritance.hpp"

#include <dlfcn.h>
#include <link.h>
#include <poll.h>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace rankpool::launch {
namespace {

/// A library that has a number of threads.
struct Library {
  std::string_view file;                 ///< a part of the file's name
  const char* set;                       ///< void (int)
  const char* now;                       ///< int (): what it would use; null if that tells nothing
  const char* by_itself;                 ///< int (): what it uses unless it is told
  std::array<const char*, 3> variables;  ///< by which it is told; the first is set for those loaded later
};

/// OMP_NUM_THREADS counts for all of them.
constexpr std::array<Library, 6> kLibraries{{
    {"libgomp", "omp_set_num_threads", "omp_get_max_threads", "omp_get_num_procs", {"OMP_NUM_THREADS"}},
    {"libomp", "omp_set_num_threads", "omp_get_max_threads", "omp_get_num_procs", {"OMP_NUM_THREADS"}},
    {"libiomp", "omp_set_num_threads", "omp_get_max_threads", "omp_get_num_procs", {"OMP_NUM_THREADS"}},
    {"openblas",
     "openblas_set_num_threads",
     "openblas_get_num_threads",
     "openblas_get_num_procs",
     {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"}},
    {"libmkl_rt", "MKL_Set_Num_Threads", nullptr, nullptr, {"MKL_NUM_THREADS", "OMP_NUM_THREADS"}},
    {"libmkl_core", "MKL_Set_Num_Threads", nullptr, nullptr, {"MKL_NUM_THREADS", "OMP_NUM_THREADS"}},
}};

std::array<bool, kLibraries.size()> g_told_by_user{};

/// The files that are loaded into this process.
std::vector<std::string> loaded_files() {
  std::vector<std::string> files;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* found) {
        if (info->dlpi_name != nullptr) static_cast<std::vector<std::string>*>(found)->emplace_back(info->dlpi_name);
        return 0;
      },
      &files);
  return files;
}

/// A function of that library, if it is loaded; wherever it is, and for its own users only too.
template <class Function>
Function find(const Library& library, const char* name, const std::vector<std::string>& files) {
  if (name == nullptr) return nullptr;
  if (void* const known = ::dlsym(RTLD_DEFAULT, name)) return reinterpret_cast<Function>(known);
  for (const auto& file : files) {
    const auto slash = file.rfind('/');
    if (file.find(library.file, slash == std::string::npos ? 0 : slash) == std::string::npos) continue;
    void* const handle = ::dlopen(file.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) continue;
    void* const found = ::dlsym(handle, name);
    ::dlclose(handle);  // one reference less: it stays loaded
    if (found != nullptr) return reinterpret_cast<Function>(found);
  }
  return nullptr;
}

bool is_told_by_variable(const Library& library) {
  for (const char* const name : library.variables) {
    if (name != nullptr && std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace

void end_idle_openmp_threads() {
  if (base::count_other_threads() == 0) return;
  const auto files = loaded_files();
  constexpr int soft = 1;  // omp_pause_soft: what the program has set stays
  const auto pause = find<int (*)(int)>(kLibraries[0], "omp_pause_resource_all", files);
  if (pause == nullptr) return;
  const int before = base::count_other_threads();
  if (pause(soft) != 0) return;
  // They end by themselves, a moment later.
  int left = base::count_other_threads();
  for (int round = 0; round < 20 && left > 0 && left == before; ++round) {
    ::poll(nullptr, 0, 1);
    left = base::count_other_threads();
  }
  for (int seen = left + 1; left > 0 && left < seen;) {
    seen = left;
    ::poll(nullptr, 0, 2);
    left = base::count_other_threads();
  }
}

void note_thread_numbers() {
  const auto files = loaded_files();
  for (std::size_t i = 0; i < kLibraries.size(); ++i) {
    const Library& library = kLibraries[i];
    g_told_by_user[i] = is_told_by_variable(library);
    const auto now = find<int (*)()>(library, library.now, files);
    const auto by_itself = find<int (*)()>(library, library.by_itself, files);
    if (now != nullptr && by_itself != nullptr && now() != by_itself()) g_told_by_user[i] = true;
  }
}

void limit_threads(int number) {
  const auto files = loaded_files();
  const std::string text = std::to_string(number);
  std::array<bool, kLibraries.size()> told{};
  for (std::size_t i = 0; i < kLibraries.size(); ++i) told[i] = g_told_by_user[i] || is_told_by_variable(kLibraries[i]);
  for (std::size_t i = 0; i < kLibraries.size(); ++i) {
    const Library& library = kLibraries[i];
    if (told[i]) continue;
    if (const auto set = find<void (*)(int)>(library, library.set, files)) set(number);
    ::setenv(library.variables[0], text.c_str(), 0);
  }
}

}  // namespace rankpool::launch
