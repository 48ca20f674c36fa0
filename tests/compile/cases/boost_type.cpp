// refused: rankpool: a value of this type of Boost cannot be encoded: include the header of boost/serialization that is for it
#include <rankpool/rankpool.hpp>

#include <boost/optional.hpp>
#ifndef REFUSED
#include <boost/serialization/optional.hpp>
#endif
void use(rankpool::ProcessPoolExecutor& executor) {
  executor.submit([](const boost::optional<std::string>& text) { return text.has_value(); }, boost::optional<std::string>());
}
