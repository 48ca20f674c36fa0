#include <rankpool/detail/travel.hpp>

#include <rankpool/detail/codec.hpp>
#include <rankpool/serialization.hpp>

#include "unit/client/allocations.hpp"
#include "unit/damage.hpp"

#include <gtest/gtest.h>

#include <any>
#include <bitset>
#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <random>
#include <ranges>
#include <set>
#include <source_location>
#include <span>
#include <stack>
#include <string>
#include <thread>
#include <tuple>
#include <typeindex>
#include <unordered_map>
#include <valarray>
#include <variant>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

template <class T, Way way>
constexpr bool goes() {
  if constexpr (travels<T>) {
    return VerdictOnMade<T>::way == way;
  } else {
    return false;
  }
}
template <class T, Why why>
constexpr bool is_refused() {
  if constexpr (travels<T>) {
    return false;
  } else {
    return VerdictOnMade<T>::why == why;
  }
}
template <class... T>
constexpr bool bytes = (goes<T, Way::bytes>() && ...);
template <class... T>
constexpr bool standard = (goes<T, Way::standard>() && ...);
template <class... T>
constexpr bool pointer = (is_refused<T, Why::pointer>() && ...);
template <class... T>
constexpr bool view = (is_refused<T, Why::view>() && ...);
template <class... T>
constexpr bool reference = (is_refused<T, Why::reference>() && ...);
template <class... T>
constexpr bool handle = (is_refused<T, Why::std_handle>() && ...);

struct Point {
  double x;
  int y;
};
struct Grid {
  char name[256];
  double cells[3][4];
  Point corner;
};
struct Owner {
  int number;
  std::vector<double> values;
  bool operator==(const Owner&) const = default;
};
struct WithPointer {
  int number;
  const double* values;
};
struct Deep {
  Owner owner;
  std::map<int, std::vector<WithPointer>> rows;
};
struct WithReference {
  int& number;
};
struct WithConstReference {
  const std::vector<int>& numbers;
};
struct WithDefaultedReference {
  static inline int shared = 0;
  int before = 0;
  int& number = shared;
};
struct WithFunction {
  int (*function)(int);
  int number;
};
struct Node {
  int value = 0;
  std::vector<Node> children;
  std::shared_ptr<Node> next;
};
/// Cannot own itself, whatever bytes say: nobody would free that.
struct Tree {
  int value = 0;
  std::vector<Tree> children;
  std::shared_ptr<std::string> label;
};
struct WithBits {
  int low : 3;
  int high : 5;
};
struct WithBitsAndText {
  int low : 3;
  std::string text;
};
struct Pair2 {
  double x, y;
};
struct Vector3 {
  union {
    Pair2 named;
    double all[2];
  };
  double z;
};
struct Base {
  int number;
};
struct Derived : Base {
  int more;
};
class Closed {
  [[maybe_unused]] int number_ = 0;
};
class ClosedText {
  std::string text_;
};
struct NoDefault {
  int number;
  explicit NoDefault(int n) : number(n) {}
};
struct HoldsNoDefault {
  NoDefault held;
  const char* text;
};
struct Forty {
  int numbers[4];
  std::string a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z;
};

static_assert(bytes<int, bool, std::byte, std::nullptr_t, int Point::*, Point, Grid, Closed, NoDefault, WithBits>);
static_assert(bytes<std::monostate, std::optional<int>, std::array<Point, 3>, std::variant<int, double>>);
static_assert(bytes<std::complex<double>, std::bitset<70>, std::chrono::seconds, std::chrono::year_month_day>);
static_assert(bytes<std::chrono::system_clock::time_point, std::mt19937, std::normal_distribution<>>);
static_assert(bytes<Vector3, Derived, std::div_t, std::timespec>);
static_assert(goes<Owner, Way::fields>() && goes<Forty, Way::fields>() && goes<WithFunction, Way::fields>());
static_assert(goes<Node, Way::fields>());
static_assert(goes<int (*)(int), Way::code>());
static_assert(standard<std::string, std::wstring, std::vector<int>, std::deque<Owner>, std::forward_list<int>>);
static_assert(standard<std::stack<int>, std::queue<Owner>, std::priority_queue<int>, std::valarray<double>>);
static_assert(standard<std::pair<int, double>, std::tuple<std::string>, std::optional<std::string>>);
static_assert(standard<std::unique_ptr<int>, std::shared_ptr<Owner>, std::weak_ptr<int>, std::filesystem::path>);
static_assert(standard<std::error_code, std::error_condition, std::map<int, NoDefault>, std::vector<NoDefault>>);

static_assert(pointer<int*, const char*, void*, WithPointer, Deep, HoldsNoDefault, std::tm, std::shared_ptr<void>>);
static_assert(pointer<std::optional<int*>, std::variant<int, const char*>, std::array<const char*, 2>>);
static_assert(pointer<std::pair<int, int*>, std::tuple<std::vector<int*>>, std::map<int, const char*>>);
static_assert(pointer<std::stack<int*>, std::shared_ptr<int*>>);
static_assert(reference<WithReference, WithConstReference, WithDefaultedReference, std::tuple<int&>>);
static_assert(reference<std::reference_wrapper<int>, std::vector<std::reference_wrapper<int>>>);
static_assert(view<std::string_view, std::span<int>, std::initializer_list<int>, std::vector<int>::iterator>);
static_assert(view<std::optional<std::string_view>, std::vector<std::span<const int>>, std::ranges::iota_view<int>>);
static_assert(handle<std::type_index, std::source_location, std::thread::id, std::exception_ptr, std::mutex>);
static_assert(handle<std::pair<int, std::type_index>, std::thread>);
static_assert(is_refused<std::any, Why::std_any>() &&
              is_refused<std::vector<std::function<int()>>, Why::std_function>());
static_assert(is_refused<ClosedText, Why::no_serialize>() && is_refused<std::vector<ClosedText>, Why::no_serialize>());
static_assert(is_refused<WithBitsAndText, Why::no_serialize>());
static_assert(is_refused<std::map<int, int, bool (*)(int, int)>, Why::rule_of_value>());
static_assert(is_refused<std::priority_queue<int, std::vector<int>, bool (*)(int, int)>, Why::rule_of_value>());
static_assert(is_refused<void (Point::*)(), Why::member_function>());

template <class F>
struct Holder {
  F held;
};
template <class F>
class ClosedHolder {
 public:
  explicit ClosedHolder(F f) : held_(f) {}

 private:
  F held_;
};
template <class F>
constexpr bool refuses_wherever_it_hides(F) {
  return is_refused<F, Why::closure>() && is_refused<Holder<F>, Why::closure>() &&
         is_refused<ClosedHolder<F>, Why::closure>() && is_refused<std::vector<Holder<F>>, Why::closure>() &&
         is_refused<std::tuple<int, F>, Why::closure>() &&
         is_refused<decltype(std::not_fn(std::declval<F>())), Why::closure>() &&
         is_refused<decltype(std::bind_front(std::declval<F>(), 1)), Why::closure>();
}

TEST(Travel, closures_with_captures_are_refused_wherever_they_hide) {
  int k = 1;
  EXPECT_TRUE(refuses_wherever_it_hides([k](int x) { return x + k; }));
  EXPECT_TRUE(refuses_wherever_it_hides([&k](auto x) { return x + k; }));
  EXPECT_TRUE(refuses_wherever_it_hides([k](int x) mutable { return x + k++; }));
  EXPECT_TRUE(refuses_wherever_it_hides([k](int x) noexcept -> long { return x + k; }));
  EXPECT_TRUE(refuses_wherever_it_hides([f = [k] { return k; }] { return f(); }));
  const auto within = []<class T>(T t) { return refuses_wherever_it_hides([t](T x) { return x + t; }); };
  EXPECT_TRUE(within(1));
  const auto free = [](int x) { return x; };
  EXPECT_TRUE((bytes<std::remove_const_t<decltype(free)>, Holder<std::remove_const_t<decltype(free)>>>));
  struct Local {
    int number;
  };
  EXPECT_TRUE(bytes<Local>);
}

template <class T>
T round_trip(const T& value) {
  Bytes encoded;
  encode(encoded, value);
  return decode<T>(encoded);
}

TEST(Travel, an_aggregate_that_holds_itself_comes_back) {
  Node node{1, {{2, {}, nullptr}, {3, {{4, {}, nullptr}}, nullptr}}, std::make_shared<Node>()};
  node.next->value = 5;
  const Node back = round_trip(node);
  EXPECT_EQ(back.children.at(1).children.at(0).value, 4);
  EXPECT_EQ(back.next->value, 5);
}

TEST(Travel, an_object_that_points_to_itself_comes_back) {
  const auto node = std::make_shared<Node>();
  node->next = node;
  const auto back = round_trip(node);
  EXPECT_EQ(back->next, back);
  back->next.reset();
  node->next.reset();
}

TEST(Travel, pointers_that_share_an_object_share_it_afterwards) {
  const auto one = std::make_shared<std::string>("one");
  const auto [a, b, weak] = round_trip(std::tuple(one, std::shared_ptr<const std::string>(one), std::weak_ptr(one)));
  EXPECT_EQ(*a, "one");
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, weak.lock());
}

class Category : public std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "of this test"; }
  [[nodiscard]] std::string message(int) const override { return "message"; }
};
const Category kCategory;

TEST(Travel, error_codes_come_back_with_their_category) {
  EXPECT_EQ(round_trip(std::make_error_code(std::errc::no_such_file_or_directory)),
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(round_trip(std::error_code(EPERM, std::system_category())), std::error_code(EPERM, std::system_category()));
  EXPECT_EQ(round_trip(std::error_code(3, kCategory)), std::error_code(3, kCategory));
  const auto on_the_heap = std::make_unique<Category>();
  Bytes bytes;
  EXPECT_THROW(encode(bytes, std::error_code(3, *on_the_heap)), SerializationError);
}

/// Damages what a value is encoded as: what comes of it is a value or a SerializationError.
template <class T>
void fuzz(const char* name, const T& value, unsigned seed) {
  Bytes whole;
  encode(whole, value);
  const auto look = [&](const Bytes& damaged) {
    forget_allocations();
    try {
      (void)decode_or_explain<T>(damaged, "a value");
    } catch (const SerializationError&) {
    }
    EXPECT_LE(largest_allocation(), 1024 * (damaged.size() + 64)) << name;
  };
  test::for_each_truncation(whole, look);
  test::for_each_length_lie(whole, look);
  test::for_each_mutation(whole, seed, 2'000, look);
}

TEST(Travel, fuzz) {
  const auto text = std::make_shared<std::string>("text");
  fuzz("shared", std::vector{text, text}, 1);
  fuzz("two types", std::tuple(text, std::make_shared<int>(1), text, std::make_unique<Owner>(1, std::vector{0.5})), 2);
  fuzz("fields", Tree{1, {{2, {}, nullptr}, {3, {}, text}}, text}, 3);
  fuzz("error code", std::error_code(3, kCategory), 4);
  fuzz("wide text", std::wstring(L"wide text"), 5);
  fuzz("path", std::filesystem::path("/a/b"), 6);
  fuzz("adaptors", std::pair(std::stack<int>({1, 2}), std::priority_queue<int>()), 7);
  fuzz("valarray", std::valarray<double>{1, 2, 3}, 8);
  fuzz("function within", WithFunction{nullptr, 1}, 9);
  fuzz("variants", std::vector<std::variant<int, std::string>>{1, "text"}, 10);
  fuzz("map of text", std::map<std::u16string, std::optional<std::list<int>>>{{u"a", std::list{1}}, {u"b", {}}}, 11);
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
