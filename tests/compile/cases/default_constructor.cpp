// refused: rankpool: a type that is not trivially copyable needs a default constructor to be decoded
#include <rankpool/rankpool.hpp>

class Name {
 public:
  explicit Name(std::string text) : text_(std::move(text)) {}
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& text_;
  }

 private:
#ifndef REFUSED
  friend class boost::serialization::access;
  Name() = default;
#endif
  std::string text_;
};
void use(rankpool::ProcessPoolExecutor& executor) {
  executor.submit([](const std::vector<Name>& names) { return names.size(); }, std::vector<Name>{});
}
