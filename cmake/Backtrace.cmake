# GCC's own library that reads a program's symbols: names the functions in remote tracebacks. Without it they are told by
# their place in the program.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES backtrace)
check_cxx_source_compiles(
  "#include <backtrace.h>
   int main() { return backtrace_create_state(nullptr, 1, nullptr, nullptr) == nullptr; }"
  RANKPOOL_HAS_BACKTRACE)
unset(CMAKE_REQUIRED_LIBRARIES)
if(RANKPOOL_HAS_BACKTRACE)
  set(RANKPOOL_BACKTRACE_LIBRARY backtrace)
endif()
