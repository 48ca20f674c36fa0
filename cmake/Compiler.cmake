# Says at once what else would be told in pages of errors.
foreach(least GNU:12 Clang:16)
  string(REGEX MATCH "(.*):(.*)" least ${least})
  if(CMAKE_CXX_COMPILER_ID STREQUAL CMAKE_MATCH_1 AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS CMAKE_MATCH_2)
    message(FATAL_ERROR "rankpool needs GCC 12 or Clang 16 (with GCC's standard library) or later, "
                        "not ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}: choose one with -DCMAKE_CXX_COMPILER=...")
  endif()
endforeach()
