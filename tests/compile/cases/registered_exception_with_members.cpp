// refused: rankpool: this exception has members of its own, which would be lost: give it a serialize member
#include <rankpool/rankpool.hpp>

#include <stdexcept>
#include <string>
struct ParseError : std::runtime_error {
  explicit ParseError(const std::string& what) : std::runtime_error(what) {}
  int line = 0;
#ifndef REFUSED
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& line;
  }
#endif
};
RANKPOOL_REGISTER_EXCEPTION(ParseError)
