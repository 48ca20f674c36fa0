#include <rankpool/detail/codec.hpp>

#include "unit/client/allocations.hpp"
#include "unit/damage.hpp"
#include "values.hpp"

#include <gtest/gtest.h>

#include <boost/serialization/export.hpp>
#include <stdexcept>

namespace rankpool::test {

/// A family that travels by pointers to its base.
struct Shape {
  virtual ~Shape() = default;
  [[nodiscard]] virtual double area() const = 0;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};
struct Square final : Shape {
  Square() = default;
  explicit Square(double s) : side(s) {}
  [[nodiscard]] double area() const override { return side * side; }
  double side = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& boost::serialization::base_object<Shape>(*this);
    archive& side;
  }
};

struct Refuses {
  std::string text = "something that is written first";
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& text;
    throw std::domain_error("not me");
  }
};

}  // namespace rankpool::test
BOOST_CLASS_EXPORT(rankpool::test::Square)

namespace rankpool::inline v0_2::detail {
namespace {

using test::Person;
using test::Point;

template <class T>
Bytes encoded(const T& value) {
  Bytes bytes;
  encode(bytes, value);
  return bytes;
}
template <class T>
T round_trip(const T& value) {
  return decode<T>(encoded(value));
}
/// True if it can be decoded; what cannot must say so by SerializationError.
template <class T>
bool readable(std::span<const std::byte> from) {
  try {
    (void)decode_or_explain<T>(from, "a value");
    return true;
  } catch (const SerializationError&) {
    return false;
  }
}

TEST(Codec, every_kind_of_value_comes_back_as_it_was) {
  test::for_each_value([](const char* name, const auto& value) { EXPECT_EQ(round_trip(value), value) << name; });
}

TEST(Codec, values_of_plain_bytes_travel_as_nothing_but_their_bytes) {
  EXPECT_EQ(encoded(7).size(), sizeof(int));
  EXPECT_EQ(encoded(Point{1, 2}).size(), sizeof(Point));
  EXPECT_LE(encoded(std::vector<Point>(10)).size(), 16 + 10 * sizeof(Point));
  EXPECT_EQ(encoded(std::monostate{}).size(), 0U);
}

TEST(Codec, a_serialize_of_its_own_counts_even_for_a_trivially_copyable_class) {
  EXPECT_EQ(round_trip(test::Halved{10}), test::Halved{5});
  EXPECT_EQ(round_trip(std::vector<test::Halved>{{10}, {20}}), (std::vector<test::Halved>{{5}, {10}}));
}

TEST(Codec, a_large_vector_comes_back_as_it_was) {
  std::vector<std::uint64_t> numbers(1'000'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i * i;
  EXPECT_EQ(round_trip(numbers), numbers);
}

TEST(Codec, an_unordered_container_with_many_empty_buckets_comes_back_as_it_was) {
  std::unordered_map<int, std::string> map;
  map.reserve(100'000);
  EXPECT_EQ(round_trip(map), map);
  map[1] = "one";
  EXPECT_EQ(round_trip(map), map);
  std::unordered_multiset<std::string> set{"a", "a", "b"};
  set.rehash(100'000);
  EXPECT_EQ(round_trip(set), set);
}

/// Bytes that come in windows of one size.
class Windows final : public Input {
 public:
  Windows(std::span<const std::byte> all, std::size_t size) : Input(all.size()), rest_(all), size_(size) {}

 private:
  std::span<const std::byte> next_window() override {
    // In memory of its own, which is gone with the next one.
    window_ = Bytes(rest_.first(std::min(size_, rest_.size())));
    rest_ = rest_.subspan(window_.size());
    return window_;
  }
  std::span<const std::byte> rest_;
  std::size_t size_;
  Bytes window_;
};

TEST(Codec, every_kind_of_value_can_be_read_in_windows) {
  test::for_each_value([]<class T>(const char* name, const T& value) {
    const Bytes whole = encoded(value);
    for (const std::size_t size : {1, 3, 8, 1000}) {
      Windows windows(whole, size);
      EXPECT_EQ(decode<T>(windows), value) << name;
      EXPECT_EQ(windows.left(), 0U);
    }
  });
}

TEST(Codec, a_large_vector_and_text_can_be_read_in_windows) {
  std::vector<std::uint64_t> numbers(300'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i * i;
  const Bytes vector = encoded(numbers);
  Windows windows(vector, 65'536);
  EXPECT_EQ(decode<std::vector<std::uint64_t>>(windows), numbers);
  const Bytes text = encoded(std::string(300'000, 'x'));
  Windows more(text, 65'536);
  EXPECT_EQ(decode<std::string>(more), std::string(300'000, 'x'));
}

TEST(Codec, a_part_of_an_input_ends_where_it_is_to_and_takes_the_rest_of_it_along) {
  const Bytes bytes = encoded(std::array<int, 4>{1, 2, 3, 4});
  Windows input(bytes, 3);
  {
    const Input::Part part(input, 3 * sizeof(int));
    EXPECT_EQ(input.left(), 3 * sizeof(int));
    int first = 0;
    input.read(&first, sizeof first);
    EXPECT_EQ(first, 1);
  }
  EXPECT_EQ(decode<int>(input), 4);
}

TEST(Codec, vectors_of_plain_elements_travel_as_their_number_and_their_bytes) {
  EXPECT_EQ(encoded(std::vector<Point>(10)).size(), 8 + 10 * sizeof(Point));
  EXPECT_EQ(encoded(std::vector<std::string>{"a", "bc"}).size(), 8U + 2 * 8 + 3);
  EXPECT_EQ(encoded(std::vector<std::vector<char>>{{'a'}, {}}).size(), 8U + 2 * 8 + 1);
}

TEST(Codec, a_vector_that_is_shared_is_still_shared) {
  const auto shared = std::make_shared<std::vector<int>>(3, 7);
  const auto both = round_trip(std::vector{shared, shared});
  EXPECT_EQ(*both.at(0), (std::vector<int>{7, 7, 7}));
  EXPECT_EQ(both[0], both[1]);
}

TEST(Codec, pointers_to_classes_come_back_with_what_they_point_to) {
  const auto unique = decode<std::unique_ptr<Person>>(encoded(std::make_unique<Person>("U", std::vector{1})));
  ASSERT_TRUE(unique);
  EXPECT_EQ(*unique, Person("U", {1}));
  EXPECT_FALSE(decode<std::unique_ptr<Person>>(encoded(std::unique_ptr<Person>())));
  EXPECT_FALSE(round_trip(std::shared_ptr<Person>()));
}

TEST(Codec, two_shared_pointers_to_one_object_still_share_it) {
  const auto shared = std::make_shared<Person>("S", std::vector{2});
  const auto both = round_trip(std::vector{shared, shared});
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(*both[0], Person("S", {2}));
  EXPECT_EQ(both[0], both[1]);
}

TEST(Codec, a_pointer_to_a_base_brings_the_derived_object) {
  const std::vector<std::shared_ptr<test::Shape>> shapes{std::make_shared<test::Square>(3.0)};
  const auto back = round_trip(shapes);
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0]->area(), 9.0);
}

TEST(Codec, a_function_comes_back_as_a_pointer_that_can_be_called) {
  EXPECT_EQ(round_trip(&test::twice)(21), 42);
  EXPECT_EQ(round_trip(static_cast<int (*)(int)>(nullptr)), nullptr);
}

TEST(Codec, a_value_that_refuses_leaves_the_bytes_before_it_as_they_were) {
  Bytes bytes = encoded(7);
  EXPECT_THROW(encode(bytes, test::Refuses{}), std::domain_error);
  EXPECT_EQ(bytes.size(), sizeof(int));
  EXPECT_EQ(decode<int>(bytes), 7);
}

TEST(Codec, an_error_of_the_decoder_names_what_was_decoded_and_the_cause) {
  try {
    (void)decode_or_explain<std::vector<int>>(Bytes(3), "the result");
    FAIL() << "accepted";
  } catch (const SerializationError& e) {
    EXPECT_STREQ(e.what(), "the result could not be decoded: an encoded value ends too early");
  }
}

TEST(Codec, every_truncation_is_refused) {
  test::for_each_value([]<class T>(const char* name, const T& value) {
    test::for_each_truncation(encoded(value),
                              [&](const Bytes& part) { EXPECT_FALSE(readable<T>(part)) << name << part.size(); });
  });
}

TEST(Codec, every_truncation_of_pointers_is_refused) {
  const auto shared = std::make_shared<Person>("S", std::vector{2});
  using Shared = std::vector<std::shared_ptr<Person>>;
  test::for_each_truncation(encoded(Shared{shared, shared}),
                            [&](const Bytes& part) { EXPECT_FALSE(readable<Shared>(part)) << part.size(); });
  using Shapes = std::vector<std::shared_ptr<test::Shape>>;
  test::for_each_truncation(encoded(Shapes{std::make_shared<test::Square>(3.0)}),
                            [&](const Bytes& part) { EXPECT_FALSE(readable<Shapes>(part)) << part.size(); });
}

TEST(Codec, a_byte_too_many_is_refused) {
  test::for_each_value([]<class T>(const char* name, const T& value) {
    Bytes bytes = encoded(value);
    *bytes.grow_by(1) = std::byte{0};
    EXPECT_FALSE(readable<T>(bytes)) << name;
  });
}

TEST(Codec, a_length_that_lies_never_makes_it_allocate_much) {
  test::for_each_value([]<class T>(const char* name, const T& value) {
    test::for_each_length_lie(encoded(value), [&](const Bytes& damaged) {
      forget_allocations();
      (void)readable<T>(damaged);
      EXPECT_LE(largest_allocation(), 1024 * (damaged.size() + 64)) << name;
    });
  });
}

TEST(Codec, fuzz) {
  // Without pointers: Boost.Serialization trusts the numbers of classes and objects that stand for them.
  unsigned seed = 0;
  test::for_each_value([&]<class T>(const char* name, const T& value) {
    if constexpr (!is_function_pointer<T>) {
      test::for_each_mutation(encoded(value), ++seed, 2'000, [&](const Bytes& damaged) {
        forget_allocations();
        (void)readable<T>(damaged);
        EXPECT_LE(largest_allocation(), 1024 * (damaged.size() + 64)) << name;
      });
    }
  });
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
