// refused: rankpool: a value of this type cannot be encoded: give it a serialize member or, if it is not yours, a free function
// each of 5
#include <rankpool/rankpool.hpp>

class Name {
 public:
  Name() = default;
  explicit Name(std::string text) : text_(std::move(text)) {}
#if !defined REFUSED || REFUSED > 4
 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& text_;
  }
#elif REFUSED == 4
  void serialize(std::ostream& to, int indent, bool) const;
#endif

 private:
  std::string text_;
};
struct Shape {
  virtual ~Shape() = default;
  int x = 1;
#if REFUSED != 5
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& x;
  }
#endif
};
void use(rankpool::ProcessPoolExecutor& executor) {
#if !defined REFUSED || REFUSED == 1 || REFUSED == 4
  executor.submit([](const std::vector<Name>& names) { return names.size(); }, std::vector<Name>{});
#endif
#if !defined REFUSED || REFUSED == 2
  executor.map([](int x) { return std::map<int, std::pair<Name, int>>{{x, {}}}; }, std::vector{1}).to_vector();
#endif
#if !defined REFUSED || REFUSED == 3
  executor.starmap([](const Name&, int x) { return x; }, std::vector<std::tuple<Name, int>>{});
#endif
#if !defined REFUSED || REFUSED == 5
  executor.submit([](const Shape& shape) { return shape.x; }, Shape{});
#endif
}
