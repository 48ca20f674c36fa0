#include <rankpool/detail/type_name.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace rankpool::inline v0_2 {
struct Example {};
namespace detail {
namespace {

TEST(TypeName, is_without_the_inline_namespace_of_the_version) {
  EXPECT_EQ(type_name(typeid(Example)), "rankpool::Example");
  EXPECT_EQ(type_name(typeid(std::vector<Example>)),
            "std::vector<rankpool::Example, std::allocator<rankpool::Example> >");
}

TEST(TypeName, keeps_what_is_no_mangled_name) { EXPECT_EQ(readable_name("no name of C++"), "no name of C++"); }

}  // namespace
}  // namespace detail
}  // namespace rankpool::inline v0_2
