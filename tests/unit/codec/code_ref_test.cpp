#include <rankpool/detail/code_ref.hpp>

#include <rankpool/errors.hpp>

#include <gtest/gtest.h>

#include <cstdlib>

namespace rankpool::inline v0_2::detail {
namespace {

int seven() { return 7; }

const void* address_of(int (*function)()) { return reinterpret_cast<const void*>(function); }

TEST(CodeRef, a_function_of_the_program_comes_back) {
  const CodeRef ref = code_ref(address_of(&seven));
  EXPECT_EQ(ref.module, build_identity());
  EXPECT_EQ(resolve(ref), address_of(&seven));
}

TEST(CodeRef, a_function_of_a_library_comes_back_and_is_told_apart_from_the_program) {
  const void* const function = reinterpret_cast<const void*>(static_cast<long (*)(long)>(&std::labs));
  const CodeRef ref = code_ref(function);
  EXPECT_EQ(resolve(ref), function);
  EXPECT_NE(ref.offset, 0U);
}

TEST(CodeRef, what_is_no_code_is_refused) {
  const int on_the_stack = 0;
  EXPECT_THROW(code_ref(&on_the_stack), SerializationError);
  EXPECT_THROW(code_ref(nullptr), SerializationError);
  static int data = 0;
  EXPECT_THROW(code_ref(&data), SerializationError);
}

TEST(CodeRef, an_unknown_module_is_refused_and_the_likely_cause_told) {
  CodeRef ref = code_ref(address_of(&seven));
  ref.module ^= 1;
  try {
    (void)resolve(ref);
    FAIL() << "accepted";
  } catch (const SerializationError& e) {
    EXPECT_NE(std::string(e.what()).find("the ranks run different builds"), std::string::npos) << e.what();
  }
}

TEST(CodeRef, an_offset_outside_of_the_modules_code_is_refused) {
  CodeRef ref = code_ref(address_of(&seven));
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1} << 40U, UINT64_MAX}) {
    ref.offset = offset;
    EXPECT_THROW((void)resolve(ref), SerializationError);
  }
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
