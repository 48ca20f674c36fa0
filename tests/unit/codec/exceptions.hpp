#pragma once

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/serialization.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <vector>

namespace rankpool::test {

/// Registered, and rebuilt from its text.
class ParseError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class NotRegistered : public ParseError {
 public:
  using ParseError::ParseError;
};
/// Registered, and no std::exception; rebuilt by `serialize`.
struct LineError {
  int line = 0;
  std::vector<std::string> words;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& line& words;
  }
};
/// Registered, but its own `serialize` throws.
struct Shy : std::runtime_error {
  Shy() : std::runtime_error("shy") {}
  template <class Archive>
  void serialize(Archive&, unsigned) {
    throw std::domain_error("not me");
  }
};
/// Registered, with a text and members; its own `serialize` says nothing of the text.
struct Located : std::runtime_error {
  int line = 0;
  Located() : std::runtime_error("the default text") {}
  Located(const std::string& what, int at) : std::runtime_error(what), line(at) {}
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& line;
  }
};
/// The same without a default constructor, and with a text that its constructor adds to.
struct Decorated : std::invalid_argument {
  std::string input;
  explicit Decorated(const std::string& what) : std::invalid_argument("bad input: " + what) {}
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& input;
  }
};
/// No members, and a constructor that adds to the text.
struct Prefixed : std::logic_error {
  explicit Prefixed(const char* what) : std::logic_error(std::string("prefix: ") + what) {}
};
/// Says no more than that it happened.
struct Stop {};
struct StopAgain : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return "stop again"; }
};
struct Coded : std::system_error {
  int attempt = 0;
  Coded() : std::system_error(0, std::generic_category()) {}
  Coded(int code, const std::string& what) : std::system_error(code, std::generic_category(), what) {}
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& attempt;
  }
};
/// Can be sent, but not made again.
struct Stubborn : std::runtime_error {
  Stubborn() : std::runtime_error("") {}
  explicit Stubborn(const std::string& what) : std::runtime_error(what) {}
  template <class Archive>
  void serialize(Archive&, unsigned) {
    if (Archive::is_loading::value) throw std::domain_error("not again");
  }
};
struct ByVirtualBase : virtual std::runtime_error {
  explicit ByVirtualBase(const std::string& what) : std::runtime_error(what) {}
};
/// Carries what it came of by itself.
struct Chained : std::runtime_error, std::nested_exception {
  using std::runtime_error::runtime_error;
};
enum class Weather { rain = 3 };
enum class Size : unsigned char { small = 1 };
enum class Distance { far = 100'000, behind = -1 };
struct NoText : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return nullptr; }
};
struct OtherCategory : std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "other"; }
  [[nodiscard]] std::string message(int) const override { return "other message"; }
};

}  // namespace rankpool::test

namespace rankpool::inline v0_2::detail {

inline const std::string kPlace = "worker 5 (rank 3 on n2, pid 4711), task f(long)";

template <class Thrown>
Bytes encoded(const Thrown& thrown) {
  try {
    throw thrown;
  } catch (...) {
    return encode_current_exception(kPlace);
  }
}
/// Sends it, and passes what comes back to `look` as an E.
template <class E, class Thrown, class Look>
void expect_back(const Thrown& thrown, Look&& look) {
  const auto error = decode_exception(encoded(thrown));
  ASSERT_TRUE(error);
  try {
    std::rethrow_exception(error);
  } catch (const E& e) {
    EXPECT_EQ(typeid(e), typeid(E));
    look(e);
  } catch (...) {
    ADD_FAILURE() << "not a " << typeid(E).name();
  }
}
/// It comes back as exactly the type and the text that it has.
template <class E>
void expect_same(const E& thrown) {
  expect_back<E>(thrown, [&](const E& e) { EXPECT_STREQ(e.what(), thrown.what()); });
}

/// An Inner nested in an Outer, sent.
template <class Outer, class Inner>
Bytes encoded_nested(const Outer& outer, const Inner& inner) {
  try {
    try {
      throw inner;
    } catch (...) {
      std::throw_with_nested(outer);
    }
  } catch (...) {
    return encode_current_exception(kPlace);
  }
}

}  // namespace rankpool::inline v0_2::detail
