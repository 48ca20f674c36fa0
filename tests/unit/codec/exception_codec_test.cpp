#include <rankpool/detail/exception_codec.hpp>

#include "unit/client/allocations.hpp"
#include "unit/codec/exceptions.hpp"
#include "unit/damage.hpp"

#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/serialization.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <any>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <variant>
#include <vector>

RANKPOOL_REGISTER_EXCEPTION(rankpool::test::ParseError)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::LineError)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Shy)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Located)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Decorated)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Prefixed)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Stop)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::StopAgain)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Coded)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Stubborn)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::ByVirtualBase)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Chained)
RANKPOOL_REGISTER_EXCEPTION(rankpool::test::Weather)

namespace rankpool::inline v0_2::detail {
namespace {

// EXC-01
TEST(ExceptionCodec, standard_exceptions_with_a_text_come_back_as_they_were) {
  expect_same(std::runtime_error("r"));
  expect_same(std::logic_error("l"));
  expect_same(std::domain_error("d"));
  expect_same(std::invalid_argument("i"));
  expect_same(std::length_error("l"));
  expect_same(std::out_of_range("o"));
  expect_same(std::range_error("r"));
  expect_same(std::overflow_error("o"));
  expect_same(std::underflow_error("u"));
  expect_same(std::runtime_error(""));
}

TEST(ExceptionCodec, standard_exceptions_without_a_text_come_back_as_they_were) {
  expect_same(std::exception());
  expect_same(std::bad_alloc());
  expect_same(std::bad_array_new_length());
  expect_same(std::bad_cast());
  expect_same(std::bad_any_cast());
  expect_same(std::bad_typeid());
  expect_same(std::bad_exception());
  expect_same(std::bad_optional_access());
  expect_same(std::bad_variant_access());
  expect_same(std::bad_function_call());
  expect_same(std::bad_weak_ptr());
}

template <class E>
void expect_same_code(const E& thrown) {
  expect_back<E>(thrown, [&](const E& e) {
    EXPECT_EQ(e.code(), thrown.code());
    EXPECT_STREQ(e.what(), thrown.what());
  });
}

TEST(ExceptionCodec, errors_with_a_code_come_back_with_code_and_text) {
  const std::error_code code = std::make_error_code(std::errc::no_space_on_device);
  expect_same_code(std::system_error(code));
  expect_same_code(std::system_error(code, ""));
  expect_same_code(std::system_error(code, "writing"));
  expect_same_code(std::system_error(code, "writing: " + code.message()));
  expect_same_code(std::system_error(EPERM, std::system_category(), "opening"));
  expect_same_code(std::ios_base::failure("reading"));
  expect_same_code(std::ios_base::failure(""));
  expect_same_code(std::future_error(std::future_errc::no_state));
}

TEST(ExceptionCodec, a_filesystem_error_comes_back_with_its_paths) {
  using std::filesystem::filesystem_error;
  const std::error_code code = std::make_error_code(std::errc::file_exists);
  for (const auto& thrown : {filesystem_error("copy", "/a/from", "/b/to", code), filesystem_error("open", "/a", code),
                             filesystem_error("look", code), filesystem_error("", "/a", code),
                             filesystem_error("x: " + code.message() + " [y]", "/a [b]", code)}) {
    expect_back<filesystem_error>(thrown, [&](const filesystem_error& e) {
      EXPECT_EQ(e.code(), thrown.code());
      EXPECT_EQ(e.path1(), thrown.path1());
      EXPECT_EQ(e.path2(), thrown.path2());
      EXPECT_STREQ(e.what(), thrown.what());
    });
  }
}

TEST(ExceptionCodec, a_code_of_a_category_that_is_not_standard_comes_back_as_a_remote_error_with_the_text) {
  static const test::OtherCategory other;
  expect_back<RemoteError>(std::system_error(1, other, "strange"), [](const RemoteError& e) {
    EXPECT_EQ(e.type_name(), "std::system_error");
    EXPECT_STREQ(e.what(), "strange: other message");
  });
}

TEST(ExceptionCodec, the_librarys_own_errors_come_back_as_they_were) {
  expect_same(Error("e"));
  expect_same(CancelledError());
  expect_same(TimeoutError("t"));  // EXC-10
  expect_same(InvalidStateError("i"));
  expect_same(ShutdownError("s"));
  expect_same(SerializationError("s"));
  expect_same(TaskTimeoutError("t"));
  expect_same(BrokenExecutor("b"));
  expect_same(BrokenProcessPool("b"));
  expect_same(TerminatedWorkerError("t"));
  expect_same(RemoteError("r"));
}

TEST(ExceptionCodec, registered_types_come_back_as_they_were) {
  expect_same(test::ParseError("line 3"));
  expect_back<test::LineError>(test::LineError{7, {"a", "b"}}, [](const test::LineError& e) {
    EXPECT_EQ(e.line, 7);
    EXPECT_EQ(e.words, (std::vector<std::string>{"a", "b"}));
  });
}

TEST(ExceptionCodec, a_registered_type_with_text_and_members_comes_back_with_both) {
  expect_back<test::Located>(test::Located("my text", 42), [](const test::Located& e) {
    EXPECT_STREQ(e.what(), "my text");
    EXPECT_EQ(e.line, 42);
  });
  test::Decorated decorated("x");
  decorated.input = "y";
  expect_back<test::Decorated>(decorated, [](const test::Decorated& e) {
    EXPECT_STREQ(e.what(), "bad input: x");
    EXPECT_EQ(e.input, "y");
  });
  test::Coded coded(ENOENT, "opening");
  coded.attempt = 2;
  expect_back<test::Coded>(coded, [&](const test::Coded& e) {
    EXPECT_STREQ(e.what(), coded.what());
    EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(e.attempt, 2);
  });
  expect_same(test::Prefixed("x"));
  expect_same(test::ByVirtualBase("x"));
}

TEST(ExceptionCodec, types_without_members_and_plain_values_can_be_registered_too) {
  expect_back<test::Stop>(test::Stop(), [](const test::Stop&) {});
  expect_same(test::StopAgain());
  expect_back<test::Weather>(test::Weather::rain, [](const test::Weather& e) { EXPECT_EQ(e, test::Weather::rain); });
}

TEST(ExceptionCodec, a_registered_type_that_cannot_be_made_again_keeps_type_text_and_trace) {
  const auto error = decode_exception(encoded(test::Stubborn("my text")));
  EXPECT_EQ(remote_traceback(error), kPlace + ": rankpool::test::Stubborn: my text");
  expect_back<RemoteError>(test::Stubborn("my text"), [](const RemoteError& e) {
    EXPECT_EQ(e.type_name(), "rankpool::test::Stubborn");
    EXPECT_STREQ(e.what(), "rankpool::test::Stubborn: my text (it could not be made again: not again)");
  });
  static const test::OtherCategory other;
  test::Coded odd;
  static_cast<std::system_error&>(odd) = std::system_error(1, other, "strange");
  expect_back<RemoteError>(odd, [](const RemoteError& e) {
    EXPECT_EQ(e.type_name(), "rankpool::test::Coded");
    EXPECT_STREQ(e.what(),
                 "rankpool::test::Coded: strange: other message (it could not be made again: the error "
                 "category \"other\" is not known here)");
  });
}

TEST(ExceptionCodec, a_registered_exception_that_cannot_be_encoded_comes_back_as_a_remote_error) {
  expect_back<RemoteError>(test::Shy(), [](const RemoteError& e) {
    EXPECT_EQ(e.type_name(), "rankpool::test::Shy");
    EXPECT_STREQ(e.what(), "rankpool::test::Shy: shy");
  });
}

// EXC-12
TEST(ExceptionCodec, a_type_that_is_not_registered_comes_back_as_a_remote_error_even_if_its_base_is) {
  expect_back<RemoteError>(test::NotRegistered("text"), [](const RemoteError& e) {
    EXPECT_EQ(e.type_name(), "rankpool::test::NotRegistered");
    EXPECT_STREQ(e.what(), "rankpool::test::NotRegistered: text");
  });
}

// EXC-13
TEST(ExceptionCodec, what_is_no_class_comes_back_as_a_remote_error_that_tells_it) {
  const auto expect = [](const auto& thrown, const std::string& type, const std::string& what) {
    expect_back<RemoteError>(thrown, [&](const RemoteError& e) {
      EXPECT_EQ(e.type_name(), type);
      EXPECT_EQ(e.what(), what);
    });
  };
  expect(42, "int", "int: 42");
  expect(42L, "long", "long: 42");
  expect(0.5, "double", "double: 0.5");
  expect(1e-9, "double", "double: 1e-09");
  expect(0.1F, "float", "float: 0.1");
  expect(2.5L, "long double", "long double: 2.5");
  expect('x', "char", "char: 'x'");
  expect('\n', "char", "char: 10");
  expect(static_cast<signed char>(-7), "signed char", "signed char: -7");
  expect(static_cast<unsigned char>(200), "unsigned char", "unsigned char: 200");
  expect(static_cast<short>(-300), "short", "short: -300");
  expect(~0ULL, "unsigned long long", "unsigned long long: 18446744073709551615");
  expect(-5LL, "long long", "long long: -5");
  expect(nullptr, "decltype(nullptr)", "decltype(nullptr): a null pointer");
  expect(static_cast<const char*>(nullptr), "char const*", "char const*: a null pointer");
  expect(static_cast<int*>(nullptr), "int*", "int*: a null pointer");
  expect(test::Distance::behind, "rankpool::test::Distance", "rankpool::test::Distance: -1");
  expect(test::NoText(), "rankpool::test::NoText", "rankpool::test::NoText");
  expect(std::make_error_code(std::errc::io_error), "std::error_code",
         "std::error_code: " + std::make_error_code(std::errc::io_error).message());
  expect(std::errc::io_error, "std::errc", "std::errc: " + std::make_error_code(std::errc::io_error).message());
  expect(true, "bool", "bool: true");
  expect(static_cast<const char*>("text"), "char const*", "char const*: text");
  expect(std::optional<int>(1), "std::optional<int>", "std::optional<int>");
  static const std::runtime_error pointee("pointed to");
  expect(&pointee, "std::runtime_error const*", "std::runtime_error const*: pointed to");
  expect(std::wstring(L"\u00e4"),
         "std::__cxx11::basic_string<wchar_t, std::char_traits<wchar_t>, std::allocator<wchar_t> >",
         "std::__cxx11::basic_string<wchar_t, std::char_traits<wchar_t>, std::allocator<wchar_t> >: \u00e4");
  expect_back<RemoteError>(std::string("text"),
                           [](const RemoteError& e) { EXPECT_TRUE(std::string(e.what()).ends_with(": text")); });
}

// The size of an enumeration is not known at run time: it is read as an int, and other readings are told.
TEST(ExceptionCodec, an_enumeration_is_told_by_its_number) {
  const auto text = [](const auto& thrown) {
    try {
      std::rethrow_exception(decode_exception(encoded(thrown)));
    } catch (const RemoteError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(text(test::Distance::far), ::testing::StartsWith("rankpool::test::Distance: 100000 as an int, "));
  EXPECT_THAT(text(test::Size::small),
              ::testing::AnyOf("rankpool::test::Size: 1", ::testing::EndsWith(" 1 as a char")));
}

TEST(ExceptionCodec, a_note_stands_behind_the_text_of_what_has_one) {
  const std::string note = " (noted)";
  const auto text = [&](const Bytes& bytes) {
    try {
      std::rethrow_exception(decode_exception(bytes, {}, note));
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
  };
  EXPECT_EQ(text(encoded(std::runtime_error("r"))), "r (noted)");
  EXPECT_EQ(text(encoded(test::Located("my text", 42))), "my text (noted)");
  EXPECT_EQ(text(encoded(test::NotRegistered("n"))), "rankpool::test::NotRegistered: n (noted)");
  EXPECT_EQ(text(encoded(std::bad_alloc())), std::bad_alloc().what());
  EXPECT_EQ(text(encoded(std::system_error(std::make_error_code(std::errc::io_error), "reading"))),
            "reading (noted): " + std::make_error_code(std::errc::io_error).message());
}

// EXC-11
TEST(ExceptionCodec, a_text_of_a_mebibyte_comes_back_whole) {
  expect_same(std::runtime_error(std::string(1 << 20, 'x')));
}

TEST(ExceptionCodec, the_trace_names_place_type_and_text) {
  const auto error = decode_exception(encoded(std::out_of_range("seven")));
  const std::string wanted = kPlace + ": std::out_of_range: seven";
  EXPECT_EQ(remote_traceback(error), wanted);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    EXPECT_EQ(remote_traceback(e), wanted);
  }
}

TEST(ExceptionCodec, the_trace_goes_with_the_exception) {
  const void* address = nullptr;
  {
    const auto error = decode_exception(encoded(std::out_of_range("seven")));
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      address = &e;
    }
  }
  // Whatever stands at this address next must not inherit it.
  remember_trace(address, {"mine"});
  forget_trace(address);
  EXPECT_EQ(remote_traceback(std::make_exception_ptr(std::runtime_error("local"))), "");
  EXPECT_EQ(remote_traceback(std::exception_ptr()), "");
}

// EXC-14
TEST(ExceptionCodec, each_decoding_makes_an_exception_of_its_own) {
  const Bytes bytes = encoded(std::runtime_error("one"));
  EXPECT_NE(decode_exception(bytes), decode_exception(bytes));
}

TEST(ExceptionCodec, a_failure_of_the_pool_makes_an_exception_of_its_kind) {
  const auto type_of = [](Failure::Kind kind) {
    try {
      std::rethrow_exception(Failure{kind, "why", {Loss()}}.exception());
    } catch (const BrokenProcessPool& e) {
      EXPECT_EQ(e.causes().size(), 1U);
      EXPECT_STREQ(e.what(), "why");
      return std::string(typeid(e).name());
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), "why");
      return std::string(typeid(e).name());
    }
  };
  EXPECT_EQ(type_of(Failure::Kind::broken), typeid(BrokenProcessPool).name());
  EXPECT_EQ(type_of(Failure::Kind::terminated_worker), typeid(TerminatedWorkerError).name());
  EXPECT_EQ(type_of(Failure::Kind::task_timeout), typeid(TaskTimeoutError).name());
  EXPECT_EQ(type_of(Failure::Kind::shut_down), typeid(ShutdownError).name());
  EXPECT_EQ(type_of(Failure::Kind::serialization), typeid(SerializationError).name());
}

std::vector<Bytes> some_exceptions() {
  std::vector<Bytes> all;
  all.push_back(encoded(std::runtime_error("a text")));
  all.push_back(encoded(std::system_error(std::make_error_code(std::errc::io_error), "reading")));
  all.push_back(
      encoded(std::filesystem::filesystem_error("copy", "/a", "/b", std::make_error_code(std::errc::file_exists))));
  all.push_back(encoded(std::future_error(std::future_errc::broken_promise)));
  all.push_back(encoded(test::LineError{7, {"a", "b"}}));
  all.push_back(encoded(std::optional<int>(42)));
  all.push_back(encoded(test::Located("my text", 42)));
  all.push_back(encoded_nested(test::Coded(ENOENT, "outer"), std::out_of_range("inner")));
  return all;
}
/// Whatever the bytes: an exception.
void expect_some_exception(const Bytes& bytes) {
  forget_allocations();
  EXPECT_TRUE(decode_exception(bytes));
  EXPECT_LE(largest_allocation(), 1024 * (bytes.size() + 64));
}

TEST(ExceptionCodec, what_was_cut_off_comes_back_as_a_remote_error) {
  for (const Bytes& whole : some_exceptions()) {
    test::for_each_truncation(whole, [](const Bytes& part) {
      try {
        std::rethrow_exception(decode_exception(part));
      } catch (const RemoteError& e) {
        EXPECT_TRUE(std::string(e.what()).starts_with("an exception that could not be decoded: ")) << e.what();
      }
    });
  }
}

TEST(ExceptionCodec, a_length_that_lies_still_gives_an_exception) {
  for (const Bytes& whole : some_exceptions()) test::for_each_length_lie(whole, expect_some_exception);
}

TEST(ExceptionCodec, fuzz) {
  unsigned seed = 0;
  for (const Bytes& whole : some_exceptions()) test::for_each_mutation(whole, ++seed, 3'000, expect_some_exception);
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
