// refused: rankpool: a value of this type cannot be encoded: give it a serialize member
#include <rankpool/rankpool.hpp>

#include <string>
struct Named {
  std::string name;
#ifndef REFUSED
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name;
  }
#endif
};
std::string name_of(Named named) { return named.name; }
void use(rankpool::ProcessPoolExecutor& executor) { executor.submit(name_of, Named{"x"}); }
