#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rankpool::inline v0_2::detail {

/// A place in the program's code that means the same in every process that runs the same build, wherever it was loaded:
/// the identity of the module (program or shared library) and the offset from where it begins.
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

}  // namespace rankpool::inline v0_2::detail
