// refused: rankpool: an expression or a view of Eigen refers to what it is made from: return its eval()
// each of 2
#include <rankpool/eigen.hpp>
#include <rankpool/rankpool.hpp>

void use(rankpool::ProcessPoolExecutor& executor, const Eigen::VectorXd& x) {
#if REFUSED == 1
  executor.submit([](const Eigen::VectorXd& v) { return v + v; }, x).result();
#elif REFUSED == 2
  executor.submit([](const Eigen::VectorXd& v) { return v.head(2); }, x).result();
#else
  executor.submit([](const Eigen::VectorXd& v) { return (v + v).eval(); }, x).result();
#endif
}
