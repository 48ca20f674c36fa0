#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

namespace rankpool::inline v0_2::detail {

/// A place in the program that means the same in every process that runs the same build, wherever it was loaded: the
/// identity of the module (program or shared library) and the offset from where it begins.
struct CodeRef {
  std::uint64_t module = 0;
  std::uint64_t offset = 0;
  bool operator==(const CodeRef&) const = default;
};

/// The reference to a function. Throws SerializationError for what lies in no module.
CodeRef code_ref(const void* code);
/// The function in this process. Throws SerializationError if the module is not loaded here or has no such code.
const void* resolve(CodeRef ref);
/// The name of the function that begins there, "is_prime(long)", for people; its place if the program has no symbols.
std::string code_name(const void* code);
/// The identity of the program itself: two processes with the same one run the same build.
std::uint64_t build_identity();

/// An error category. Those of std go by their number, as processes may have another build of the standard library; the
/// program's own by where the object stands and the table of its virtual functions, by which it is known to be one.
struct CategoryRef {
  enum class Kind : std::uint8_t { generic, system, iostream, future, own };
  Kind kind = Kind::generic;
  CodeRef object;
  CodeRef table;
};
/// Throws SerializationError for a category that is not a static object.
CategoryRef category_ref(const std::error_category& category);
/// Throws SerializationError if it is not there, or not made yet.
const std::error_category& resolve_category(const CategoryRef& ref);

}  // namespace rankpool::inline v0_2::detail
