// refused: rankpool: a lambda with captures cannot be sent to another process: pass what it captures as arguments
// each of 10
#include <rankpool/rankpool.hpp>

#include <functional>
template <class F>
struct Twice {
  F f;
  int operator()(int x) const { return f(f(x)); }
};
template <class F>
class Wrapped {
 public:
  explicit Wrapped(F f) : f_(f) {}
  int operator()(int x) const { return f_(x); }

 private:
  F f_;
};
void use(rankpool::ProcessPoolExecutor& executor, int k) {
#ifdef REFUSED
  const auto f = [&k](int x) { return x * k; };
#else
  const auto f = [](int x) { return x * 2; };
#endif
  auto call = [](auto g, int x) { return g(x); };
#if !defined REFUSED || REFUSED == 1
  (void)executor.submit(call, f, 3).result();
#endif
#if !defined REFUSED || REFUSED == 2
  (void)executor.submit(Twice<std::decay_t<decltype(f)>>{f}, 3).result();
#endif
#if !defined REFUSED || REFUSED == 3
  executor.submit(std::not_fn(f), 3);
#endif
#if REFUSED == 4
  executor.submit(std::bind_front(f, 3));
#endif
#if !defined REFUSED || REFUSED == 5
  executor.submit(rankpool::partial(f, 3));
#endif
#if !defined REFUSED || REFUSED == 6
  executor.submit([](const auto& both) { return std::get<0>(both)(1); }, std::tuple(f, std::string()));
#endif
#if !defined REFUSED || REFUSED == 7
  executor.submit(rankpool::partial(call, f), 3);
#endif
#if REFUSED == 8
  executor.submit(Wrapped(f), 3);
#endif
#if REFUSED == 9
  for (int n : executor.map([k](int x) mutable { return x * k; }, std::vector{1, 2})) (void)n;
#endif
#if REFUSED == 10
  rankpool::Pool pool(1);
  pool.map(std::bind(f, std::placeholders::_1), std::vector{1});
#endif
}
