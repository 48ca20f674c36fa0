// refused: rankpool: this exception cannot be made again at home: give it a default constructor, or one that takes its what()
#include <rankpool/rankpool.hpp>

#include <stdexcept>
struct BadLine : std::runtime_error {
#ifndef REFUSED
  BadLine() : std::runtime_error("") {}
#endif
  explicit BadLine(int line) : std::runtime_error("line " + std::to_string(line)) {}
};
RANKPOOL_REGISTER_EXCEPTION(BadLine)
