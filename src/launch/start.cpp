#include "launch/start.hpp"

#include "base/log.hpp"
#include "liveness/socket_tools.hpp"

#include <rankpool/errors.hpp>
#include <rankpool/run.hpp>

#include <atomic>
#include <utility>

namespace rankpool::launch {

void claim_start(const char* name) {
  static std::atomic<const char*> used{nullptr};
  const std::string call = std::string("rankpool::") + name + "()";
  if (in_worker()) throw Error(call + " was called inside a task");
  const char* const before = used.exchange(name);
  if (before == nullptr) return;
  throw Error(std::string(before) == name
                  ? call + " was called twice"
                  : call + " was called after rankpool::" + before + "(): they exclude each other");
}

base::Settings start_settings(std::vector<std::string>& warnings) {
  const base::Settings settings = base::read_settings(warnings);
  if (auto text = liveness::interface_complaint(settings.interface); !text.empty()) warnings.push_back(std::move(text));
  base::set_log_level(settings.log_level);
  return settings;
}

}  // namespace rankpool::launch
