// refused: rankpool: what std::bind, std::bind_front and std::not_fn hold cannot be serialised: use rankpool::partial
// each of 2
#include <rankpool/rankpool.hpp>

#include <functional>
bool is_prime(int x) { return x > 1; }
void use(rankpool::ProcessPoolExecutor& executor) {
#if REFUSED == 1
  executor.submit(std::bind(is_prime, 3));
#elif REFUSED == 2
  executor.submit(std::not_fn(is_prime), 3);
#else
  executor.submit(rankpool::partial(is_prime, 3));
  executor.submit(std::not_fn([](int x) { return x > 1; }), 3);
#endif
}
