// refused: rankpool: a member-function pointer cannot be a task
#include <rankpool/rankpool.hpp>

struct Thing {
  int size() const { return 1; }
};
void use(rankpool::ProcessPoolExecutor& executor) {
#ifdef REFUSED
  executor.submit(&Thing::size, Thing{});
#else
  executor.submit([](const Thing& thing) { return thing.size(); }, Thing{});
#endif
}
