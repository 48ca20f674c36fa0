#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/serialization.hpp>

#include <array>
#include <bitset>
#include <complex>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <valarray>
#include <variant>
#include <vector>

/// Types and values of every kind that can be encoded.
namespace rankpool::test {

enum class Colour : std::uint8_t { red, green };

/// Travels as its bytes.
struct Point {
  double x = 0;
  std::int32_t y = 0;
  bool operator==(const Point&) const = default;
};
static_assert(detail::fixed_size<Point>);

/// Trivially copyable, and yet its own `serialize` counts.
struct Halved {
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    if constexpr (Archive::is_saving::value) {
      const int half = value / 2;
      archive << half;
    } else {
      archive >> value;
    }
  }
  bool operator==(const Halved&) const = default;
};
static_assert(!detail::plain_bytes<Halved>);

class Person {
 public:
  Person() = default;
  Person(std::string name, std::vector<int> marks) : name_(std::move(name)), marks_(std::move(marks)) {}
  bool operator==(const Person&) const = default;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name_& marks_& born_;
  }
  std::string name_;
  std::vector<int> marks_;
  Point born_{1.5, -2};
};

/// With `save` and `load` apart.
struct Reversed {
  std::string text;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    const std::string backwards(text.rbegin(), text.rend());
    archive << backwards;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    archive >> text;
    text = std::string(text.rbegin(), text.rend());
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  bool operator==(const Reversed&) const = default;
};

/// Its `serialize` is a free function.
struct Free {
  std::vector<std::string> words;
  bool operator==(const Free&) const = default;
};
template <class Archive>
void serialize(Archive& archive, Free& free, unsigned) {
  archive& free.words;
}

inline int twice(int number) { return 2 * number; }

/// Calls `visit(name, value)` with values of all kinds that have no pointers in them.
template <class Visit>
void for_each_value(Visit&& visit) {
  using std::string_literals::operator""s;
  visit("int", -7);
  visit("u64", std::numeric_limits<std::uint64_t>::max());
  visit("bool", true);
  visit("double", -0.1);
  visit("long double", 1.25L);
  visit("enum", Colour::green);
  visit("complex", std::complex<double>(1, -2));
  visit("array of plain", std::array<Point, 3>{Point{1, 2}, Point{3, 4}, Point{5, 6}});
  visit("plain struct", Point{0.5, 9});
  visit("pair of plain", std::pair<int, double>(1, 2.5));
  visit("monostate", std::monostate{});
  visit("string", "a string, with \0 in it"s);
  visit("empty string", ""s);
  visit("vector", std::vector<int>{1, 2, 3});
  visit("empty vector", std::vector<int>{});
  visit("vector of plain", std::vector<Point>{{1, 2}, {3, 4}});
  visit("vector of bool", std::vector<bool>{true, false, true, true});
  visit("empty vector of bool", std::vector<bool>{});
  visit("vector of strings", std::vector<std::string>{"", "one", std::string(100, 'x')});
  visit("vector of vectors", std::vector<std::vector<int>>{{}, {1}, {1, 2, 3}});
  visit("vector of empty ones", std::vector<std::string>(50));
  visit("deque", std::deque<int>{3, 2, 1});
  visit("list", std::list<std::string>{"a", "b"});
  visit("forward list", std::forward_list<int>{1, 2});
  visit("set", std::set<std::string>{"x", "y"});
  visit("multiset", std::multiset<int>{1, 1, 2});
  visit("map", std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  visit("empty map", std::map<int, int>{});
  visit("map of maps", std::map<int, std::map<std::string, double>>{{1, {{"a", 0.5}, {"b", 1}}}, {2, {}}});
  visit("map by falling keys", std::map<int, int, std::greater<>>{{1, 1}, {2, 4}, {3, 9}});
  visit("set of pairs", std::set<std::pair<char, std::string>>{{'b', "x"}, {'a', "y"}});
  visit("vector of pairs", std::vector<std::pair<char, char>>{{'a', 'b'}, {'c', 'd'}});
  visit("map to bools", std::map<int, bool>{{1, true}, {2, false}});
  visit("multimap", std::multimap<int, std::string>{{1, "a"}, {1, "b"}});
  visit("unordered map", std::unordered_map<std::string, int>{{"a", 1}, {"b", 2}});
  visit("unordered set", std::unordered_set<int>{1, 2, 3});
  visit("array of strings", std::array<std::string, 2>{"left", "right"});
  visit("bitset", std::bitset<70>(0x5a5a));
  visit("pair", std::pair<std::string, int>("p", 1));
  visit("tuple", std::tuple<int, std::string, std::vector<double>>(1, "t", {0.5}));
  visit("optional", std::optional<std::string>("there"));
  visit("empty optional", std::optional<std::string>());
  visit("variant, first", std::variant<int, std::string>(5));
  visit("variant, second", std::variant<int, std::string>("text"));
  visit("nested", std::map<int, std::optional<std::vector<std::pair<std::string, std::tuple<int, std::string>>>>>{
                      {1, std::nullopt}, {2, {{{"k", {1, "v"}}}}}});
  visit("class", Person("Ada", {1, 2, 3}));
  visit("class with save and load", Reversed{"abc"});
  visit("class with a free serialize", Free{{"a", "b"}});
  visit("vector of classes", std::vector<Person>{Person("A", {}), Person("B", {1})});
  visit("map to classes", std::map<int, Person>{{1, Person("C", {4, 5})}});
  visit("function", &twice);
}

}  // namespace rankpool::test
