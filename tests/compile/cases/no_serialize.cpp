// refused: rankpool: a value of this type cannot be encoded: give it a serialize member
#include <rankpool/rankpool.hpp>

#include <string>
class Named {
 public:
  Named() = default;
  explicit Named(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }
#ifndef REFUSED
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name_;
  }
#endif

 private:
  std::string name_;
};
std::string name_of(const Named& named) { return named.name(); }
void use(rankpool::ProcessPoolExecutor& executor) { executor.submit(name_of, Named("x")); }
