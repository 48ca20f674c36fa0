# rankpool_warnings: what every target of this project is compiled with, and nothing that uses it.
add_library(rankpool_warnings INTERFACE)
target_compile_options(rankpool_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlaps in every "text" + std::string that it inlines.
  target_compile_options(rankpool_warnings INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # GCC's -Wconversion does not have it.
  target_compile_options(rankpool_warnings INTERFACE -Wno-sign-conversion)
  # The std::stable_sort of GCC 12's library uses what that library itself calls deprecated.
  target_compile_options(rankpool_warnings INTERFACE -Wno-deprecated-declarations)
endif()
if(RANKPOOL_WERROR)
  target_compile_options(rankpool_warnings INTERFACE -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # What GCC makes of optimised code is wrong as often as right, and differs with each version: to be looked at, not in the way.
    foreach(guess array-bounds dangling-pointer free-nonheap-object maybe-uninitialized nonnull stringop-overflow stringop-overread
                  use-after-free)
      target_compile_options(rankpool_warnings INTERFACE -Wno-error=${guess})
    endforeach()
  endif()
endif()
if(RANKPOOL_ASSERTIONS)
  target_compile_options(rankpool_warnings INTERFACE -UNDEBUG -D_GLIBCXX_ASSERTIONS)
endif()
if(RANKPOOL_SANITIZE)
  target_compile_options(rankpool_warnings INTERFACE
    -fsanitize=${RANKPOOL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(rankpool_warnings INTERFACE -fsanitize=${RANKPOOL_SANITIZE})
endif()
