#include "support.hpp"

#include <bitset>
#include <complex>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <stack>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <valarray>
#include <variant>

// What travels without a word of the user: docs/values.md as a test.
namespace {

class Travelling : public Behaviour {};

std::size_t vowels(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; }));
}
double sum(std::span<const double> numbers) {
  double all = 0;
  for (const double number : numbers) all += number;
  return all;
}
int middle(std::span<const int, 3> three) { return three[1]; }
std::string_view tail(std::string_view text) { return text.substr(text.find(' ') + 1); }

const std::vector<std::string> kLines{"a line of text that is read from a file",
                                      "another line of text, as long as that one", ""};

TEST_F(Travelling, a_task_that_takes_a_view_of_text_sees_the_callers_text) {
  ProcessPoolExecutor executor(2);
  EXPECT_EQ(executor.map(vowels, kLines).to_vector(), (std::vector<std::size_t>{13, 13, 0}));
  EXPECT_EQ(executor.submit(vowels, "literal").result(), 3U);
  EXPECT_EQ(executor.submit(vowels, kLines[0]).result(), 13U);
  EXPECT_EQ(executor.submit(vowels, std::string_view(kLines[1]).substr(0, 7)).result(), 3U);
  EXPECT_EQ(executor.submit([](const auto& text) { return text.size(); }, std::string_view("some view")).result(), 9U);
  EXPECT_EQ(executor.submit([](std::wstring_view text) { return text.size(); }, L"wide").result(), 4U);
  EXPECT_EQ(executor.submit(rankpool::partial(vowels, std::string_view("bound"))).result(), 2U);
}

TEST_F(Travelling, a_c_function_that_takes_text_gets_it) {
  ProcessPoolExecutor executor(1);
  EXPECT_EQ(executor.submit(&std::strlen, "four").result(), 4U);
  EXPECT_EQ(executor.submit(&std::strcmp, std::string("a"), "a").result(), 0);
  EXPECT_EQ(executor.submit([](const char* text) { return std::string(text) + "!"; }, "four").result(), "four!");
}

TEST_F(Travelling, a_task_that_takes_a_span_of_const_sees_the_callers_elements) {
  ProcessPoolExecutor executor(2);
  const double row[] = {0.5, 1.5};
  EXPECT_EQ(executor.submit(sum, std::vector<double>{1, 2, 3}).result(), 6);
  EXPECT_EQ(executor.submit(sum, std::array<double, 2>{1, 2}).result(), 3);
  EXPECT_EQ(executor.submit(sum, row).result(), 2);
  EXPECT_EQ(executor.submit(sum, std::span(row)).result(), 2);
  EXPECT_EQ(executor.submit(middle, std::array<int, 3>{1, 2, 3}).result(), 2);
  EXPECT_EQ(executor.map(sum, std::vector<std::vector<double>>{{1}, {1, 2}, {}}).to_vector(),
            (std::vector<double>{1, 3, 0}));
}

TEST_F(Travelling, a_view_that_is_returned_comes_home_as_text) {
  ProcessPoolExecutor executor(2);
  const std::string home = executor.submit(tail, "two words").result();
  EXPECT_EQ(home, "words");
  EXPECT_EQ(executor.map(tail, kLines).to_vector()[0], "line of text that is read from a file");
}

TEST_F(Travelling, error_codes_bring_their_category) {
  ProcessPoolExecutor executor(3);
  const auto missing = [](const std::string& name) {
    std::error_code error;
    (void)std::filesystem::file_size(name, error);
    return error;
  };
  for (const std::error_code& error : executor.map({.chunksize = 1}, missing, std::vector<std::string>(9, "/none"))) {
    EXPECT_EQ(error, std::errc::no_such_file_or_directory);
    EXPECT_EQ(error.message(), std::make_error_code(std::errc::no_such_file_or_directory).message());
  }
  const auto condition = executor.submit([] { return std::error_condition(std::errc::timed_out); }).result();
  EXPECT_EQ(condition, std::errc::timed_out);
}

class OwnCategory : public std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "own"; }
  [[nodiscard]] std::string message(int number) const override { return "own error " + std::to_string(number); }
};
const OwnCategory kOwnCategory;

TEST_F(Travelling, an_error_code_of_the_programs_own_category_is_one_at_home) {
  ProcessPoolExecutor executor(1);
  const std::error_code code = executor.submit([](int n) { return std::error_code(n, kOwnCategory); }, 7).result();
  EXPECT_EQ(&code.category(), &kOwnCategory);
  EXPECT_EQ(code.message(), "own error 7");
}

struct Point {
  double x = 0;
  std::array<int, 2> cell{};
  bool operator==(const Point&) const = default;
};
struct Sample {
  int number = 0;
  std::vector<double> values;
  std::optional<std::string> note;
  std::map<std::string, std::vector<Point>> places;
  int (*change)(int) = nullptr;
  char name[16] = {};
  bool operator==(const Sample&) const = default;
};
struct Tree {
  int value = 0;
  std::vector<Tree> children;
  [[nodiscard]] int all() const {
    int sum = value;
    for (const Tree& child : children) sum += child.all();
    return sum;
  }
};
int negate(int x) { return -x; }
Sample work(Sample sample) {
  sample.number = sample.change(sample.number);
  sample.values.push_back(sample.places.at("here").at(0).x);
  return sample;
}

TEST_F(Travelling, an_aggregate_of_members_that_travel_needs_no_serialize) {
  ProcessPoolExecutor executor(2);
  Sample sample{3, {1.5}, "noted", {{"here", {{0.5, {1, 2}}}}}, &negate, "name"};
  const Sample back = executor.submit(work, sample).result();
  EXPECT_EQ(back.number, -3);
  EXPECT_EQ(back.values, (std::vector<double>{1.5, 0.5}));
  EXPECT_EQ(back.note, "noted");
  EXPECT_EQ(back.places, sample.places);
  EXPECT_EQ(back.change(1), -1);
  EXPECT_STREQ(back.name, "name");
  for (const Sample& each : executor.map(work, std::vector(5, sample))) EXPECT_EQ(each, back);
  const Tree tree{1, {{2, {{3, {}}}}, {4, {}}}};
  EXPECT_EQ(executor.submit([](const Tree& t) { return t.all(); }, tree).result(), 10);
  EXPECT_EQ(executor.submit([](Tree t) { return t; }, tree).result().all(), 10);
}

template <class T>
T same(T value) {
  return value;
}
template <class T>
void expect_same(ProcessPoolExecutor& executor, const T& value) {
  EXPECT_TRUE(executor.submit(same<T>, value).result() == value) << typeid(T).name();
  EXPECT_TRUE(executor.map(same<T>, std::vector<T>{value, value}).to_vector() == std::vector<T>(2, value));
}

TEST_F(Travelling, types_of_std_arrive_as_they_were) {
  ProcessPoolExecutor executor(2);
  expect_same(executor, std::wstring(L"wide"));
  expect_same(executor, std::u8string(u8"\u00e4"));
  expect_same(executor, std::filesystem::path("/a/b.txt"));
  expect_same(executor, std::chrono::system_clock::time_point(1s));
  expect_same(executor, std::chrono::year_month_day(std::chrono::January / 2 / 2027));
  expect_same(executor, std::stack<std::string>({"a", "b"}));
  expect_same(executor, std::queue<int>({1, 2}));
  expect_same(executor, std::unordered_map<std::string, std::deque<int>>{{"a", {1, 2}}});
  expect_same(executor, std::bitset<70>(0x5a5a));
  expect_same(executor, std::complex<double>(1, -2));
  std::priority_queue<int> heap;
  for (const int n : {3, 9, 4}) heap.push(n);
  EXPECT_EQ(executor
                .submit(
                    [](std::priority_queue<int> h) {
                      h.pop();
                      return h;
                    },
                    heap)
                .result()
                .top(),
            4);
  const std::valarray<double> numbers{1, 2, 3};
  EXPECT_EQ(executor.submit([](std::valarray<double> v) { return v.sum(); }, numbers).result(), 6);
  EXPECT_EQ(
      executor.submit([](std::unique_ptr<std::string> text) { return text; }, std::make_unique<std::string>("owned"))
          .get_ref()
          ->size(),
      5U);
  const auto shared = std::make_shared<int>(1);
  const auto both = executor.submit(same<std::vector<std::shared_ptr<int>>>, std::vector{shared, shared}).result();
  EXPECT_EQ(*both[0], 1);
  EXPECT_EQ(both[0], both[1]);
}

}  // namespace
