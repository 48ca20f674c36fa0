// Stands for OpenBLAS and for MKL: has their functions that are about threads.
namespace {

constexpr int kCores = 64;
int g_threads = kCores;

}  // namespace

#define SHOWN extern "C" __attribute__((visibility("default")))

SHOWN void openblas_set_num_threads(int number) { g_threads = number; }
SHOWN int openblas_get_num_threads() { return g_threads; }
SHOWN int openblas_get_num_procs() { return kCores; }
SHOWN void MKL_Set_Num_Threads(int number) { g_threads = number; }
SHOWN int MKL_Get_Max_Threads() { return g_threads; }
