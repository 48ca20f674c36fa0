#include "worker/output_streams.hpp"

#include <stdio_ext.h>
#include <cstdio>
#include <iostream>

namespace rankpool::worker {
namespace {

/// A look at what a stream buffer holds back costs much less than a flush, and there is one for each result.
template <class Char>
struct Look : std::basic_streambuf<Char> {
  static bool holds_something(std::basic_streambuf<Char>& buffer) {
    return (buffer.*(&Look::pptr))() != (buffer.*(&Look::pbase))();
  }
};

template <class Char>
void flush_if_needed(std::basic_ostream<Char>& stream) {
  if (auto* const buffer = stream.rdbuf(); buffer != nullptr && Look<Char>::holds_something(*buffer)) stream.flush();
}

}  // namespace

void flush_c_output() noexcept {
  if (::__fpending(stdout) != 0) std::fflush(stdout);
}

void flush_output() {
  std::cout.flush();  // always: the program may have put a buffer of its own behind it
  flush_if_needed(std::clog);
  flush_if_needed(std::wcout);
  flush_if_needed(std::wclog);
  flush_c_output();
  if (::__fpending(stderr) != 0) std::fflush(stderr);
}

}  // namespace rankpool::worker
