#include "base/control_groups.hpp"

#include <fstream>
#include <sstream>

namespace rankpool::base {

std::string content_of_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void visit_control_groups(const FileContent& content_of, const std::string& controller,
                          const std::function<bool(const std::string& path, bool v2)>& visit) {
  std::istringstream groups(content_of("/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find("," + controller + ",") == std::string::npos) continue;
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (path == "/") path.clear();
      if (!visit(path, v2)) return;
      if (path.find('/') == std::string::npos) break;
    }
  }
}

}  // namespace rankpool::base
