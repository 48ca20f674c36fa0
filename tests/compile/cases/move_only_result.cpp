// refused: rankpool: a result that cannot be copied is read in place with get_ref()
#include <rankpool/rankpool.hpp>

#include <memory>
struct Thing {
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};
std::unique_ptr<Thing> make() { return std::make_unique<Thing>(); }
void use(rankpool::ProcessPoolExecutor& executor) {
#ifdef REFUSED
  executor.submit(make).result();
#else
  executor.submit(make).get_ref();
#endif
}
