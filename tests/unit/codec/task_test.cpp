#include <rankpool/detail/task_type.hpp>

#include "unit/client/futures.hpp"
#include "unit/damage.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

/// Gives a task one chunk and keeps the outcomes.
class Chunk final : public TaskContext {
 public:
  struct Outcome {
    Bytes encoded;
    std::exception_ptr error;
    bool skipped = false;
  };

  Chunk(std::span<const std::byte> callable, std::span<const std::byte> items, std::uint32_t count) {
    callable_ = callable;
    items_.emplace(items);
    input_ = &*items_;
    count_ = count;
    progress_ = &own_progress_;
  }
  void end_with_encoded(std::span<const std::byte> first, std::span<const std::byte> second) override {
    Bytes encoded(first);
    encoded.append(second.data(), second.size());
    end({std::move(encoded), nullptr, false});
  }
  void end_with_current_exception() override { end({Bytes(), std::current_exception(), false}); }
  void end_skipped() override { end({Bytes(), nullptr, true}); }
  std::vector<Outcome> outcomes;

 private:
  void end(Outcome outcome) {
    outcomes.push_back(std::move(outcome));
    item_ended();
  }
  void end_with_value_slowly(const void* value, std::size_t size) override {
    Bytes bytes;
    bytes.append(value, size);
    end({std::move(bytes), nullptr, false});
  }
  void check_flush() noexcept override { until_flush_check_ = 1; }
  void announce_item() noexcept override {}
  std::optional<Input> items_;
  std::atomic<std::uint64_t> own_progress_{0};
};

/// Sends a call through its encoding, as submit and a worker do.
template <class F, class... Args>
auto call(F f, Args&&... args) {
  using T = TaskType<F, Args...>;
  Bytes head;
  T::encode_head(head, f);
  Bytes item;
  T::encode_item(item, std::forward<Args>(args)...);
  CodeRef ref;
  std::memcpy(&ref, head.data(), sizeof ref);
  Chunk chunk(head.view().subspan(sizeof ref), item, 1);
  reinterpret_cast<Invoker>(const_cast<void*>(resolve(ref)))(chunk);
  EXPECT_EQ(chunk.outcomes.size(), 1U);
  if (chunk.outcomes.front().error) std::rethrow_exception(chunk.outcomes.front().error);
  return decode<typename T::Result>(chunk.outcomes.front().encoded);
}

double halve(double number) { return number / 2; }
std::string join(const std::string& a, std::string b, int n) { return a + b + std::to_string(n); }
int apply_twice(int (*f)(int), int number) { return f(f(number)); }
int increase(int number) { return number + 1; }
void nothing() {}
int g_ran = 0;
void run_with(int by) { g_ran += by; }

TEST(Invoke, a_function_gets_its_arguments_converted_to_its_parameters) {
  EXPECT_EQ(call(&halve, 7), 3.5);
  EXPECT_EQ(call(&join, "a", "b", short{3}), "ab3");
  EXPECT_EQ(call([](std::optional<int> number) { return number.value_or(0); }, 5), 5);
}

TEST(Invoke, functions_and_lambdas_may_be_arguments_and_results) {
  EXPECT_EQ(call(&apply_twice, &increase, 5), 7);
  EXPECT_EQ(call([] { return &increase; })(1), 2);
}

/// Knows how often it was copied since it was decoded.
struct Counted {
  std::string text;
  int copies = 0;
  Counted() = default;
  explicit Counted(std::string t) : text(std::move(t)) {}
  Counted(const Counted& other) : text(other.text), copies(other.copies + 1) {}
  Counted(Counted&&) = default;
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&&) = default;
  ~Counted() = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& text;
  }
};
int copies_by_value(Counted, const std::string&, Counted second) { return second.copies; }
int copies_by_reference(const Counted& counted) { return Counted(counted).copies; }

TEST(Invoke, a_parameter_taken_by_value_gets_the_argument_itself) {
  EXPECT_EQ(call(&copies_by_value, Counted("a"), "b", Counted("c")), 0);
  EXPECT_EQ(call([](Counted counted) { return counted.copies; }, Counted("a")), 0);
}

TEST(Invoke, other_parameters_see_a_const_value) {
  EXPECT_EQ(call(&copies_by_reference, Counted("a")), 1);
  EXPECT_TRUE(call([](const auto& argument) { return std::is_const_v<std::remove_reference_t<decltype(argument)>>; },
                   Counted("a")));
  EXPECT_TRUE(
      call([](auto&& argument) { return std::is_const_v<std::remove_reference_t<decltype(argument)>>; }, Counted("a")));
  EXPECT_EQ(call([](auto counted) { return counted.copies; }, Counted("a")), 1);
}

TEST(Invoke, arguments_are_decoded_in_their_order) {
  EXPECT_EQ(
      call([](std::string a, int b, std::vector<char> c, std::string d) { return a + std::to_string(b) + c[0] + d; },
           "one", 2, std::vector<char>{'x'}, "four"),
      "one2xfour");
}

TEST(Invoke, a_large_result_is_what_encode_would_make_of_it) {
  const std::vector<double> numbers(1000, 0.5);
  EXPECT_EQ(call([](std::vector<double> v) { return v; }, numbers), numbers);
  EXPECT_EQ(call([](std::string v) { return v; }, std::string(1000, 'x')), std::string(1000, 'x'));
  EXPECT_EQ(call([] { return std::vector<bool>{true, false}; }), (std::vector<bool>{true, false}));
}

TEST(Invoke, a_task_without_a_result_ends_with_nothing) { EXPECT_EQ(call(&nothing), std::monostate{}); }

TEST(Invoke, what_the_task_throws_ends_the_item) {
  EXPECT_THROW(call([](int n) -> int { throw std::out_of_range(std::to_string(n)); }, 1), std::out_of_range);
}

TEST(Invoke, a_partial_brings_what_was_bound) {
  EXPECT_EQ(call(partial(&join, "a", "b"), 3), "ab3");
  EXPECT_EQ(call(partial(&join, "a"), "b", 3), "ab3");
  EXPECT_EQ(call(partial([](int a, int b) { return a - b; }, 10), 3), 7);
  EXPECT_EQ(call(partial(partial(&join, "a"), "b"), 3), "ab3");
}

TEST(Invoke, a_function_object_comes_back_and_runs) {
  g_ran = 0;
  const Function<void()> full = partial(&run_with, 5);
  decode<Function<void()>>(encoded(full))();
  EXPECT_EQ(g_ran, 5);
  const auto empty = decode<Function<void()>>(encoded(Function<void()>()));
  EXPECT_FALSE(empty);
  EXPECT_THROW(empty(), Error);
}

TEST(Invoke, every_truncation_of_a_partial_or_function_is_refused) {
  const auto bound = partial(&join, "a", "b");
  test::for_each_truncation(encoded(bound), [&](const Bytes& part) {
    EXPECT_THROW((void)decode_or_explain<std::remove_const_t<decltype(bound)>>(part, "it"), SerializationError);
  });
  test::for_each_truncation(encoded(Function<void()>(partial(&run_with, 5))), [](const Bytes& part) {
    EXPECT_THROW((void)decode_or_explain<Function<void()>>(part, "it"), SerializationError);
  });
}

// D13
TEST(Invoke, an_item_that_was_skipped_is_told_and_its_neighbours_run) {
  using T = TaskType<std::string (*)(const std::string&), std::string>;
  Bytes items;
  T::encode_item(items, std::string("one"));
  T::encode_skipped(items);
  T::encode_item(items, std::string("three"));
  Bytes head;
  T::encode_head(head, [](const std::string& text) { return text + "!"; });
  Chunk chunk(head.view().subspan(sizeof(CodeRef)), items, 3);
  T::invoke_chunk(chunk);
  ASSERT_EQ(chunk.outcomes.size(), 3U);
  EXPECT_EQ(decode<std::string>(chunk.outcomes[0].encoded), "one!");
  EXPECT_TRUE(chunk.outcomes[1].skipped);
  EXPECT_EQ(decode<std::string>(chunk.outcomes[2].encoded), "three!");
}

// D3
TEST(Invoke, fuzz_of_items) {
  using T = TaskType<decltype(&join), std::string, std::string, int>;
  Bytes head;
  T::encode_head(head, &join);
  Bytes items;
  for (int i = 0; i < 3; ++i) T::encode_item(items, "text", std::string(20, 'x'), i);
  test::for_each_mutation(items, 1, 5'000, [&](const Bytes& damaged) {
    Chunk chunk(head.view().subspan(sizeof(CodeRef)), damaged, 3);
    try {
      T::invoke_chunk(chunk);
      EXPECT_EQ(chunk.outcomes.size(), 3U);
    } catch (const SerializationError&) {
      EXPECT_LT(chunk.outcomes.size(), 3U);
    }
  });
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
