#include "support.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <system_error>
#include <variant>

namespace app {

struct ParseError : std::runtime_error {
  explicit ParseError(const std::string& what) : std::runtime_error(what) {}
};
struct WithCode : std::exception {
  int code = 0;
  const char* what() const noexcept override { return "with code"; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& code;
  }
};
struct Located : std::runtime_error {
  int line = 0;
  Located() : std::runtime_error("the default text") {}
  Located(const std::string& what, int at) : std::runtime_error(what), line(at) {}
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& line;
  }
};
struct Unloadable : std::runtime_error {
  Unloadable() : std::runtime_error("") {}
  explicit Unloadable(const std::string& what) : std::runtime_error(what) {}
  template <class Archive>
  void serialize(Archive&, unsigned) {
    if (Archive::is_loading::value) throw std::domain_error("this cannot be loaded");
  }
};
enum class Level { high = 9 };
enum class Colour { green = 2 };
struct NoText : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
struct Unknown : std::runtime_error {
  explicit Unknown(int line) : std::runtime_error("line " + std::to_string(line)) {}
};

}  // namespace app

RANKPOOL_REGISTER_EXCEPTION(app::ParseError)
RANKPOOL_REGISTER_EXCEPTION(app::WithCode)
RANKPOOL_REGISTER_EXCEPTION(app::Located)
RANKPOOL_REGISTER_EXCEPTION(app::Unloadable)
RANKPOOL_REGISTER_EXCEPTION(app::Level)

namespace {

class Errors : public Behaviour {};

template <class E>
void throw_text(std::string text) {
  throw E(text);
}
template <class E>
void throw_plain() {
  throw E();
}
void throw_system_error() { throw std::system_error(std::make_error_code(std::errc::no_space_on_device), "disk"); }
void throw_filesystem_error() {
  throw std::filesystem::filesystem_error("move", "/a", "/b", std::make_error_code(std::errc::cross_device_link));
}
void throw_with_code(int code) {
  app::WithCode error;
  error.code = code;
  throw error;
}
void throw_unknown(int line) { throw app::Unknown(line); }
void throw_located(std::string text, int line) { throw app::Located(text, line); }
void throw_unloadable(std::string text) { throw app::Unloadable(text); }
void throw_level() { throw app::Level::high; }
void throw_int() { throw 42; }
void throw_string() { throw std::string("just text"); }
void throw_nested() {
  try {
    throw std::runtime_error("inner");
  } catch (...) {
    std::throw_with_nested(std::logic_error("outer"));
  }
}
void throw_own_timeout() { throw rankpool::TimeoutError("the task's own"); }

TEST_F(Errors, standard_exceptions_come_home_as_what_they_were) {  // EXC-01, EXC-09
  ProcessPoolExecutor executor(1);
  EXPECT_EQ(thrown<std::runtime_error>([&] { executor.submit(throw_text<std::runtime_error>, "123").result(); }),
            "123");
  EXPECT_EQ(thrown<std::logic_error>([&] { executor.submit(throw_text<std::logic_error>, "x").result(); }), "x");
  EXPECT_EQ(thrown<std::domain_error>([&] { executor.submit(throw_text<std::domain_error>, "x").result(); }), "x");
  EXPECT_EQ(thrown<std::invalid_argument>([&] { executor.submit(throw_text<std::invalid_argument>, "x").result(); }),
            "x");
  EXPECT_EQ(thrown<std::length_error>([&] { executor.submit(throw_text<std::length_error>, "x").result(); }), "x");
  EXPECT_EQ(thrown<std::out_of_range>([&] { executor.submit(throw_text<std::out_of_range>, "x").result(); }), "x");
  EXPECT_EQ(thrown<std::range_error>([&] { executor.submit(throw_text<std::range_error>, "x").result(); }), "x");
  EXPECT_EQ(thrown<std::overflow_error>([&] { executor.submit(throw_text<std::overflow_error>, "x").result(); }), "x");
  EXPECT_EQ(thrown<std::underflow_error>([&] { executor.submit(throw_text<std::underflow_error>, "x").result(); }),
            "x");
  thrown<std::bad_alloc>([&] { executor.submit(throw_plain<std::bad_alloc>).result(); });
  thrown<std::bad_cast>([&] { executor.submit(throw_plain<std::bad_cast>).result(); });
  thrown<std::bad_optional_access>([&] { executor.submit(throw_plain<std::bad_optional_access>).result(); });
  thrown<std::bad_variant_access>([&] { executor.submit(throw_plain<std::bad_variant_access>).result(); });
  thrown<std::bad_function_call>([&] { executor.submit(throw_plain<std::bad_function_call>).result(); });
  EXPECT_EQ(executor.submit(square, 3).result(), 9);
}

TEST_F(Errors, codes_and_paths_come_along) {  // EXC-01
  ProcessPoolExecutor executor(1);
  try {
    executor.submit(throw_system_error).result();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::no_space_on_device);
    EXPECT_EQ(std::string(e.what()),
              std::system_error(std::make_error_code(std::errc::no_space_on_device), "disk").what());
  }
  try {
    executor.submit(throw_filesystem_error).result();
    FAIL();
  } catch (const std::filesystem::filesystem_error& e) {
    EXPECT_EQ(e.path1(), "/a");
    EXPECT_EQ(e.path2(), "/b");
    EXPECT_EQ(e.code(), std::errc::cross_device_link);
  }
}

TEST_F(Errors, registered_types_come_home_and_others_as_RemoteError) {  // EXC-01, EXC-08, EXC-12, DLK-11
  ProcessPoolExecutor executor(1);
  EXPECT_EQ(thrown<app::ParseError>([&] { executor.submit(throw_text<app::ParseError>, "line 3").result(); }),
            "line 3");
  try {
    executor.submit(throw_with_code, 17).result();
    FAIL();
  } catch (const app::WithCode& e) {
    EXPECT_EQ(e.code, 17);
    EXPECT_THAT(rankpool::remote_traceback(e), ::testing::HasSubstr("rank 0 on "));
  }
  try {
    executor.submit(throw_unknown, 8).result();
    FAIL();
  } catch (const rankpool::RemoteError& e) {
    EXPECT_EQ(e.type_name(), "app::Unknown");
    EXPECT_THAT(e.what(), ::testing::HasSubstr("line 8"));
  }
  EXPECT_EQ(executor.submit(square, 3).result(), 9);
}

TEST_F(Errors, what_is_no_exception_class_comes_as_RemoteError_with_a_text) {  // EXC-13
  ProcessPoolExecutor executor(1);
  try {
    executor.submit(throw_int).result();
    FAIL();
  } catch (const rankpool::RemoteError& e) {
    EXPECT_EQ(e.type_name(), "int");
    EXPECT_THAT(e.what(), ::testing::HasSubstr("42"));
  }
  const std::string text = thrown<rankpool::RemoteError>([&] { executor.submit(throw_string).result(); });
  EXPECT_THAT(text, ::testing::HasSubstr("just text"));
}

TEST_F(Errors, nested_ones_come_home_nested) {
  ProcessPoolExecutor executor(1);
  const auto future = executor.submit(throw_nested);
  try {
    future.result();
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_STREQ(e.what(), "outer");
    EXPECT_THAT(rankpool::remote_traceback(e), ::testing::EndsWith("outer; because of std::runtime_error: inner"));
    EXPECT_EQ(thrown<std::runtime_error>([&] { std::rethrow_if_nested(e); }), "inner");
  }
  EXPECT_EQ(to_string(future), "finished with std::logic_error");
}

TEST_F(Errors, registered_types_come_home_with_text_and_members) {
  ProcessPoolExecutor executor(1);
  try {
    executor.submit(throw_located, "my text", 42).result();
    FAIL();
  } catch (const app::Located& e) {
    EXPECT_STREQ(e.what(), "my text");
    EXPECT_EQ(e.line, 42);
  }
  const std::string text = thrown<rankpool::RemoteError>([&] { executor.submit(throw_unloadable, "kept").result(); });
  EXPECT_EQ(text, "app::Unloadable: kept (it could not be made again: this cannot be loaded)");
  EXPECT_THROW(executor.submit(throw_level).result(), app::Level);
}

TEST_F(Errors, whatever_is_thrown_arrives_with_type_value_and_place) {
  ProcessPoolExecutor executor(1);
  const auto expect = [&](void (*task)(), const std::string& type, const std::string& text) {
    const auto future = executor.submit(task);
    try {
      future.result();
      FAIL() << type;
    } catch (const rankpool::RemoteError& e) {
      EXPECT_EQ(e.type_name(), type);
      EXPECT_EQ(e.what(), text);
      EXPECT_THAT(rankpool::remote_traceback(e),
                  ::testing::AllOf(::testing::HasSubstr("rank 0 on "), ::testing::EndsWith(text)));
    }
  };
  expect([] { throw nullptr; }, "decltype(nullptr)", "decltype(nullptr): a null pointer");
  expect([] { throw static_cast<const char*>(nullptr); }, "char const*", "char const*: a null pointer");
  expect([] { throw app::NoText(); }, "app::NoText", "app::NoText");
  expect([] { throw 1.5F; }, "float", "float: 1.5");
  expect([] { throw 'x'; }, "char", "char: 'x'");
  expect([] { throw ~0ULL; }, "unsigned long long", "unsigned long long: 18446744073709551615");
  expect([] { throw app::Colour::green; }, "app::Colour", "app::Colour: 2");
  ProcessPoolExecutor broken({.max_workers = 1, .initializer = [] { throw app::NoText(); }});
  EXPECT_THAT(thrown<rankpool::BrokenProcessPool>([&] { broken.bootup(); }), ::testing::HasSubstr("app::NoText"));
}

TEST_F(Errors, the_traceback_says_where_it_happened) {  // EXC-01, EXC-02, EXC-07
  ProcessPoolExecutor executor(1);
  const auto pid = executor.submit(own_pid).result();
  const auto future = executor.submit(throw_text<std::runtime_error>, "123");
  try {
    future.result();
    FAIL();
  } catch (const std::exception& e) {
    const std::string trace = rankpool::remote_traceback(e);
    EXPECT_THAT(trace, ::testing::HasSubstr("worker "));
    EXPECT_THAT(trace, ::testing::HasSubstr("rank 0 on "));
    EXPECT_THAT(trace, ::testing::HasSubstr("pid " + std::to_string(pid)));
    EXPECT_THAT(trace, ::testing::HasSubstr("std::runtime_error: 123"));
    EXPECT_EQ(trace, rankpool::remote_traceback(future.exception()));
  }
  const auto lambda = executor.submit([](int) { throw std::runtime_error("in a lambda"); }, 1);
  const auto bound = executor.submit(rankpool::partial(throw_text<std::runtime_error>, "bound"));
#ifdef __clang__
  // Its symbols have no name for a function that is in one file only, and another one for a lambda.
  EXPECT_THAT(rankpool::remote_traceback(future.exception()), ::testing::HasSubstr(" in "));
  EXPECT_THAT(rankpool::remote_traceback(lambda.exception()), ::testing::HasSubstr("::$_"));
#else
  EXPECT_THAT(rankpool::remote_traceback(future.exception()), ::testing::HasSubstr(" in void "));
  EXPECT_THAT(rankpool::remote_traceback(future.exception()), ::testing::HasSubstr("throw_text<std::runtime_error>("));
  EXPECT_THAT(rankpool::remote_traceback(lambda.exception()), ::testing::HasSubstr("{lambda(int)#"));
#endif
  EXPECT_THAT(rankpool::remote_traceback(bound.exception()), ::testing::HasSubstr(" in partial("));
  EXPECT_EQ(rankpool::remote_traceback(std::make_exception_ptr(std::runtime_error("here"))), "");
  EXPECT_EQ(rankpool::remote_traceback(std::exception_ptr()), "");
  EXPECT_EQ(rankpool::remote_traceback(std::runtime_error("here")), "");
}

TEST_F(Errors, a_long_text_arrives_whole) {  // EXC-11
  ProcessPoolExecutor executor(1);
  const std::string text(1 << 20, 'x');
  EXPECT_EQ(thrown<std::runtime_error>([&] { executor.submit(throw_text<std::runtime_error>, text).result(); }), text);
}

TEST_F(Errors, a_TimeoutError_of_the_task_is_the_tasks) {  // EXC-10
  ProcessPoolExecutor executor(1);
  EXPECT_EQ(thrown<rankpool::TimeoutError>([&] { executor.submit(throw_own_timeout).result(kLong); }),
            "the task's own");
}

TEST_F(Errors, each_future_has_its_own_exception_object) {  // EXC-14
  ProcessPoolExecutor executor(1);
  Gate gate;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  ASSERT_TRUE(gate.await_marks(1));
  ::kill(workers_on_this_node().at(0), SIGKILL);
  for (auto& future : futures) EXPECT_TRUE(future.exception(kLong));
  EXPECT_NE(futures[0].exception(), futures[1].exception());
  EXPECT_NE(futures[1].exception(), futures[2].exception());
  EXPECT_EQ(futures[1].exception(), futures[1].exception());
}

/// Throws where it is told to.
struct Fragile {
  enum class Where { nowhere, encoding_argument, decoding_argument, encoding_result, decoding_result };
  Where where = Where::nowhere;
  bool odd = false;  // throw something that is no std::exception
  bool was_result = false;

  static bool& in_worker_process() {
    static bool here = rankpool::in_worker();
    return here = rankpool::in_worker();
  }
  void fail(Where now) const {
    if (now != where) return;
    if (odd) throw 7;
    throw std::domain_error("fragile");
  }
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    fail(in_worker_process() ? Where::encoding_result : Where::encoding_argument);
    archive << where << odd;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    archive >> where >> odd;
    fail(in_worker_process() ? Where::decoding_argument : Where::decoding_result);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};

Fragile pass_on(Fragile value) { return value; }

TEST_F(Errors, encoding_and_decoding_errors_fail_one_future_only) {
  // DLK-01 to DLK-04, DLK-13, DLK-15 to DLK-17, DLK-19, EXC-06, EXC-07, EXC-17
  ProcessPoolExecutor executor(1);
  const pid_t pid = executor.submit(own_pid).result();
  using Where = Fragile::Where;
  for (const bool odd : {false, true}) {
    auto broken = executor.submit(pass_on, Fragile{Where::encoding_argument, odd});
    if (odd) {
      EXPECT_THROW(broken.get_ref(), int);  // the caller's own exception, unchanged
    } else {
      EXPECT_EQ(thrown<std::domain_error>([&] { broken.get_ref(); }), "fragile");
      EXPECT_EQ(rankpool::remote_traceback(broken.exception()), "");
    }
    for (const auto where : {Where::decoding_argument, Where::encoding_result, Where::decoding_result}) {
      auto future = executor.submit(pass_on, Fragile{where, odd});
      const std::string text = thrown<rankpool::SerializationError>([&] { future.get_ref(); });
      if (!odd) {
        EXPECT_THAT(text, ::testing::HasSubstr("fragile"));
      }
      EXPECT_EQ(rankpool::remote_traceback(future.exception()).empty(), where == Where::decoding_result);
    }
  }
  EXPECT_EQ(executor.submit(own_pid).result(), pid);  // the worker has not even noticed
  EXPECT_EQ(executor.submit(square, 6).result(), 36);
}

TEST_F(Errors, unencodable_arguments_leak_no_place_in_the_queue) {  // DLK-19
  ProcessPoolExecutor executor(1);
  std::vector<Future<Fragile>> bad;
  std::vector<Future<long>> good;
  for (int i = 0; i < 100; ++i) bad.push_back(executor.submit(pass_on, Fragile{Fragile::Where::encoding_argument}));
  for (int i = 0; i < 100; ++i) good.push_back(executor.submit(square, i));
  for (auto& future : bad) EXPECT_THROW(future.get_ref(), std::domain_error);
  for (long i = 0; i < 100; ++i) EXPECT_EQ(good[static_cast<std::size_t>(i)].result(), i * i);
}

TEST_F(Errors, the_general_ones_catch_the_special_ones) {  // EXC-18
  EXPECT_TRUE((std::is_base_of_v<rankpool::BrokenProcessPool, rankpool::TerminatedWorkerError>));
  EXPECT_TRUE((std::is_base_of_v<rankpool::BrokenExecutor, rankpool::BrokenProcessPool>));
  EXPECT_TRUE((std::is_base_of_v<rankpool::Error, rankpool::BrokenExecutor>));
  EXPECT_TRUE((std::is_base_of_v<std::runtime_error, rankpool::Error>));
}

}  // namespace
