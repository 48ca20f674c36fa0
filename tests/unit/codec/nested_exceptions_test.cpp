#include "unit/codec/exceptions.hpp"

#include <exception>
#include <stdexcept>
#include <string>

namespace rankpool::inline v0_2::detail {
namespace {

TEST(ExceptionCodec, nested_exceptions_come_back_nested) {
  try {
    std::rethrow_exception(
        decode_exception(encoded_nested(std::invalid_argument("outer"), std::out_of_range("inner"))));
  } catch (const std::invalid_argument& e) {
    EXPECT_STREQ(e.what(), "outer");
    EXPECT_EQ(remote_traceback(e), kPlace + ": std::invalid_argument: outer; because of std::out_of_range: inner");
    EXPECT_EQ(exception_type_name(typeid(e)), "std::invalid_argument");
    try {
      std::rethrow_if_nested(e);
      ADD_FAILURE() << "nothing nested";
    } catch (const std::out_of_range& inner) {
      EXPECT_STREQ(inner.what(), "inner");
    }
  }
}

TEST(ExceptionCodec, what_is_nested_in_registered_types_comes_back_too) {
  const auto expect_inner = [](const std::exception& e) {
    try {
      std::rethrow_if_nested(e);
      ADD_FAILURE() << "nothing nested";
    } catch (const test::LineError& inner) {
      EXPECT_EQ(inner.line, 5);
    }
  };
  const test::LineError inner{5, {}};
  try {
    std::rethrow_exception(decode_exception(encoded_nested(test::Located("my text", 42), inner)));
  } catch (const test::Located& e) {
    EXPECT_STREQ(e.what(), "my text");
    EXPECT_EQ(e.line, 42);
    expect_inner(e);
  }
  Bytes bytes;
  try {
    throw inner;
  } catch (...) {
    bytes = encoded(test::Chained("chained"));
  }
  try {
    std::rethrow_exception(decode_exception(bytes));
  } catch (const test::Chained& e) {
    EXPECT_STREQ(e.what(), "chained");
    expect_inner(e);
  }
}

TEST(ExceptionCodec, a_remote_error_tells_nested_exceptions_from_the_outermost_to_the_innermost) {
  Bytes bytes;
  try {
    try {
      try {
        throw 42;
      } catch (...) {
        std::throw_with_nested(std::out_of_range("inner"));
      }
    } catch (...) {
      std::throw_with_nested(test::NotRegistered("outer"));
    }
  } catch (...) {
    bytes = encode_current_exception(kPlace);
  }
  try {
    std::rethrow_exception(decode_exception(bytes));
  } catch (const RemoteError& e) {
    EXPECT_EQ(e.type_name(), "rankpool::test::NotRegistered");
    EXPECT_STREQ(e.what(),
                 "rankpool::test::NotRegistered: outer; because of std::out_of_range: inner; because of int: 42");
  }
}

TEST(ExceptionCodec, a_long_chain_of_nested_exceptions_is_cut) {
  std::exception_ptr chain = std::make_exception_ptr(std::runtime_error("the first"));
  for (int i = 0; i < 1000; ++i) {
    try {
      std::rethrow_exception(chain);
    } catch (...) {
      try {
        std::throw_with_nested(std::runtime_error("next"));
      } catch (...) {
        chain = std::current_exception();
      }
    }
  }
  try {
    std::rethrow_exception(chain);
  } catch (...) {
    EXPECT_LT(encode_current_exception(kPlace).size(), 100'000U);
  }
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
