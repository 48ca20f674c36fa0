#include "base/settings.hpp"

#include <charconv>
#include <cstdlib>

namespace rankpool::base {
namespace {

template <class Number>
std::optional<Number> parse(const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string complaint(const char* name, const std::string& value, const std::string& wanted,
                      const std::string& instead) {
  return std::string(name) + "=\"" + value + "\" is not " + wanted + "; using " + instead;
}

std::optional<int> positive(const char* name, const Lookup& lookup, const std::string& instead,
                            std::vector<std::string>& warnings) {
  const auto text = lookup(name);
  if (!text || text->empty()) return std::nullopt;
  const auto number = parse<int>(*text);
  if (number && *number >= 1) return number;
  warnings.push_back(complaint(name, *text, "a whole number of at least 1", instead));
  return std::nullopt;
}

}  // namespace

Settings read_settings(const Lookup& lookup, std::vector<std::string>& warnings) {
  Settings settings;
  settings.max_workers = positive("RANKPOOL_MAX_WORKERS", lookup, "every core of the job", warnings);
  settings.workers = positive("RANKPOOL_WORKERS", lookup, "each rank's share of its node's cores", warnings);
  if (const auto text = lookup("RANKPOOL_LOST_AFTER"); text && !text->empty()) {
    const auto seconds = parse<double>(*text);
    if (seconds && *seconds >= 1 && *seconds <= 86'400) {
      settings.lost_after = std::chrono::milliseconds(static_cast<long>(*seconds * 1000));
    } else {
      warnings.push_back(complaint("RANKPOOL_LOST_AFTER", *text, "a number of seconds from 1 to 86400", "10"));
    }
  }
  if (const auto text = lookup("RANKPOOL_INTERFACE")) settings.interface = *text;
  if (const auto text = lookup("RANKPOOL_LOG"); text && !text->empty()) {
    if (*text == "error") {
      settings.log_level = LogLevel::error;
    } else if (*text == "warn") {
      settings.log_level = LogLevel::warn;
    } else if (*text == "info") {
      settings.log_level = LogLevel::info;
    } else if (*text == "debug") {
      settings.log_level = LogLevel::debug;
    } else {
      warnings.push_back(complaint("RANKPOOL_LOG", *text, "one of error, warn, info, debug", "warn"));
    }
  }
  if (const auto text = lookup("RANKPOOL_PROGRESS"); text && !text->empty()) {
    if (*text == "auto") {
      settings.progress = ProgressSetting::automatic;
    } else if (*text == "bar") {
      settings.progress = ProgressSetting::bar;
    } else if (*text == "log") {
      settings.progress = ProgressSetting::log;
    } else if (*text == "off") {
      settings.progress = ProgressSetting::off;
    } else if (*text == "all") {
      settings.progress = ProgressSetting::all;
    } else {
      warnings.push_back(complaint("RANKPOOL_PROGRESS", *text, "one of auto, bar, log, off, all", "auto"));
    }
  }
  if (const auto text = lookup("RANKPOOL_TRACE")) settings.trace = *text;
  return settings;
}

Settings read_settings(std::vector<std::string>& warnings) { return read_settings(environment, warnings); }

std::optional<std::string> environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace rankpool::base
