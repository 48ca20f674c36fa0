// Values that are more than bytes, for row 6.
#pragma once

#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>

#include <map>
#include <string>
#include <vector>

namespace bench {

struct Record {
  int id = 0;
  std::string name;
  std::map<std::string, double> values;
  bool operator==(const Record&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& id& name& values;
  }
};

inline std::vector<std::string> some_strings() {
  std::vector<std::string> strings;
  for (int i = 0; i < 1000; ++i) strings.push_back("string number " + std::to_string(i));
  return strings;
}

inline Record some_record() {
  Record record{7, "a record with a map", {}};
  for (int i = 0; i < 100; ++i) record.values["key " + std::to_string(i)] = i / 3.0;
  return record;
}

}  // namespace bench
