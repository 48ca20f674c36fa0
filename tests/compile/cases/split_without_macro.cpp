// refused: rankpool: this type has save and load, but Boost.Serialization is not told
#include <rankpool/rankpool.hpp>

struct Text {
  char* data = nullptr;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    const std::string text(data);
    archive << text;
  }
  template <class Archive>
  void load(Archive&, unsigned) {}
#ifndef REFUSED
  BOOST_SERIALIZATION_SPLIT_MEMBER()
#endif
};
void use(rankpool::ProcessPoolExecutor& executor) {
  executor.submit([](const Text&) { return 1; }, Text{});
}
