# rankpool_warnings: what every target of this project is compiled with, and nothing that uses it.
add_library(rankpool_warnings INTERFACE)
target_compile_options(rankpool_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(RANKPOOL_SANITIZE)
  target_compile_options(rankpool_warnings INTERFACE
    -fsanitize=${RANKPOOL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(rankpool_warnings INTERFACE -fsanitize=${RANKPOOL_SANITIZE})
endif()
