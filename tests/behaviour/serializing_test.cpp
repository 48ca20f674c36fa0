#include "support.hpp"

#include <boost/serialization/export.hpp>
#include <boost/serialization/split_free.hpp>
#include <cstring>
#include <memory>
#include <optional>

// Types with serialisation of their own, and results of which a map once asked too much.

extern "C" {
/// As a library of C declares it: its bytes mean nothing elsewhere.
struct c_text {
  char* data;
  int size;
};
struct c_split_text {
  char* data;
  int size;
};
}
namespace boost::serialization {
template <class Archive>
void serialize(Archive& archive, c_text& text, unsigned) {
  std::string all(text.data != nullptr ? text.data : "");
  archive& all;
  if (Archive::is_loading::value) text = {::strdup(all.c_str()), static_cast<int>(all.size())};
}
template <class Archive>
void save(Archive& archive, const c_split_text& text, unsigned) {
  const std::string all(text.data);
  archive << all;
}
template <class Archive>
void load(Archive& archive, c_split_text& text, unsigned) {
  std::string all;
  archive >> all;
  text = {::strdup(all.c_str()), static_cast<int>(all.size())};
}
}  // namespace boost::serialization
BOOST_SERIALIZATION_SPLIT_FREE(c_split_text)

namespace app {

/// Each serialisation writes 100 more than there is, so that it is seen to be used.
class Private final {
 public:
  Private() = default;
  explicit Private(int value) : value_(value) {}
  [[nodiscard]] int value() const { return value_; }

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    archive << value_ + 100;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    archive >> value_;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()

  int value_ = 0;
};
struct Looked {
  int value = 0;
};
template <class Archive>
void serialize(Archive& archive, Looked& looked, unsigned) {
  int sent = looked.value + 100;
  archive& sent;
  if (Archive::is_loading::value) looked.value = sent;
}
/// Has a member of that name, which is something else.
struct Writer {
  int value = 0;
  std::string text;
  [[nodiscard]] std::string serialize() const { return text; }
};

struct Shape {
  virtual ~Shape() = default;
  [[nodiscard]] virtual double area() const = 0;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};
template <int kind>
struct Square final : Shape {
  double side = 0;
  Square() = default;
  explicit Square(double s) : side(s) {}
  [[nodiscard]] double area() const override { return side * side; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& boost::serialization::base_object<Shape>(*this) & side;
  }
};
using Exported = Square<1>;
using Forgotten = Square<2>;

}  // namespace app
BOOST_CLASS_EXPORT(app::Exported)

namespace {

class Serializing : public Behaviour {};

TEST_F(Serializing, functions_in_the_namespace_of_boost_are_used) {
  ProcessPoolExecutor executor(2);
  std::string text = "a text on the heap of rank 0";
  EXPECT_EQ(executor.submit([](c_text t) { return std::string(t.data); }, c_text{text.data(), 28}).result(), text);
  EXPECT_EQ(executor.submit([](c_split_text t) { return std::string(t.data); }, c_split_text{text.data(), 28}).result(),
            text);
  EXPECT_EQ(executor
                .submit([](std::vector<c_text> t) { return std::string(t[1].data); },
                        std::vector<c_text>(2, {text.data(), 28}))
                .result(),
            text);
}

TEST_F(Serializing, private_members_of_final_classes_and_functions_found_by_look_up_are_used) {
  ProcessPoolExecutor executor(2);
  EXPECT_EQ(executor.submit([](app::Private p) { return p.value(); }, app::Private(1)).result(), 101);
  EXPECT_EQ(executor.submit([](int n) { return app::Private(n); }, 1).result().value(), 101);
  EXPECT_EQ(executor.submit([](app::Looked looked) { return looked.value; }, app::Looked{1}).result(), 101);
  EXPECT_EQ(executor.submit([](std::vector<app::Looked> all) { return all[0].value; }, std::vector<app::Looked>{{1}})
                .result(),
            101);
}

TEST_F(Serializing, a_member_that_is_merely_called_serialize_does_not_count) {
  ProcessPoolExecutor executor(1);
  const auto back = executor.submit([](app::Writer writer) { return writer; }, app::Writer{1, "text"}).result();
  EXPECT_EQ(back.value, 1);
  EXPECT_EQ(back.serialize(), "text");
}

TEST_F(Serializing, pointers_to_a_base_bring_the_derived_object) {
  ProcessPoolExecutor executor(2);
  const std::vector<std::shared_ptr<app::Shape>> shapes{std::make_shared<app::Exported>(2.0)};
  EXPECT_EQ(executor.submit([](const std::vector<std::shared_ptr<app::Shape>>& all) { return all[0]->area(); }, shapes)
                .result(),
            4);
  const auto one = executor.submit(
      [](double side) -> std::unique_ptr<app::Shape> { return std::make_unique<app::Exported>(side); }, 3);
  EXPECT_EQ(one.get_ref()->area(), 9);
}

TEST_F(Serializing, a_derived_class_that_was_not_exported_is_named_with_the_macro) {
  ProcessPoolExecutor executor(1);
  const std::shared_ptr<app::Shape> shape = std::make_shared<app::Forgotten>(2.0);
  try {
    (void)executor.submit([](const std::shared_ptr<app::Shape>& s) { return s->area(); }, shape).result();
    FAIL() << "accepted";
  } catch (const rankpool::SerializationError& e) {
    EXPECT_STREQ(e.what(),
                 "a pointer to app::Shape points to a app::Square<2>, which is not exported: write "
                 "BOOST_CLASS_EXPORT(app::Square<2>) at global scope, behind the class");
  }
}

struct NoDefault {
  int value;
  explicit NoDefault(int x) : value(x) {}
};
struct Fixed {
  const int value;
};
const std::string& text_of(int) {
  static const std::string text = "referred to";
  return text;
}

TEST_F(Serializing, a_map_takes_the_results_that_submit_takes) {
  ProcessPoolExecutor executor(2);
  const std::vector numbers{1, 2, 3};
  int next = 0;
  for (const NoDefault& each : executor.map([](int n) { return NoDefault(n); }, numbers)) EXPECT_EQ(each.value, ++next);
  EXPECT_EQ(executor.map([](int n) { return Fixed{n}; }, numbers).to_vector()[2].value, 3);
  EXPECT_EQ(executor.map([](int n) { return std::make_unique<int>(n); }, numbers).to_vector().size(), 3U);
  for (auto& each : executor.map([](int n) { return std::make_unique<std::string>(n, 'x'); }, numbers)) {
    const std::unique_ptr<std::string> taken = std::move(each);
    EXPECT_EQ(taken->front(), 'x');
  }
  EXPECT_EQ(executor.map(text_of, numbers).to_vector(), (std::vector<std::string>(3, "referred to")));
  EXPECT_EQ(executor.submit([](NoDefault n) { return n; }, NoDefault(4)).result().value, 4);
  EXPECT_EQ(executor.submit([](std::vector<NoDefault> n) { return n.size(); }, std::vector(2, NoDefault(1))).result(),
            2U);
}

}  // namespace
