// refused: rankpool: values of this type of the standard library mean nothing in another process
// each of 6
#include <rankpool/rankpool.hpp>

#include <bitset>
#include <chrono>
#include <complex>
#include <memory_resource>
#include <mutex>
#include <random>
#include <source_location>
#include <thread>
#include <typeindex>
void use(rankpool::ProcessPoolExecutor& executor) {
#if REFUSED == 1
  executor.submit([](std::type_index) { return 1; }, std::type_index(typeid(int)));
#elif REFUSED == 2
  executor.submit([] { return std::source_location::current(); });
#elif REFUSED == 3
  executor.submit([](std::pmr::polymorphic_allocator<>) { return 1; }, std::pmr::polymorphic_allocator<>{});
#elif REFUSED == 4
  executor.submit([] { return std::exception_ptr(); });
#elif REFUSED == 5
  executor.submit([] { return std::this_thread::get_id(); });
#elif REFUSED == 6
  std::mutex mutex;
  executor.submit([](std::mutex) { return 1; }, mutex);
#else
  executor.submit([](std::chrono::year_month_day, std::bitset<9>, std::complex<float>, std::mt19937) { return 1; },
                  std::chrono::year_month_day{}, std::bitset<9>{}, std::complex<float>{}, std::mt19937{});
#endif
}
