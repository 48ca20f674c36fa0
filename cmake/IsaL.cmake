# Intel's ISA-L compresses traces at a fifth of what zlib costs, in a form that zlib reads. Without it zlib does.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES isal)
check_cxx_source_compiles(
  "#include <isa-l/igzip_lib.h>
   int main() { isal_zstream stream; isal_deflate_init(&stream); return isal_deflate(&stream); }"
  RANKPOOL_HAS_ISAL)
unset(CMAKE_REQUIRED_LIBRARIES)
if(RANKPOOL_HAS_ISAL)
  set(RANKPOOL_ISAL_LIBRARY isal)
endif()
