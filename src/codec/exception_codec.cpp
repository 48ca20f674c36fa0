#include <rankpool/detail/exception_codec.hpp>

#include "codec/exception_text.hpp"
#include "codec/standard_exceptions.hpp"

#include <rankpool/detail/type_name.hpp>
#include <rankpool/detail/what_of.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/serialization.hpp>

#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

namespace rankpool::inline v0_2::detail {
namespace {

/// Exceptions that are nested deeper than this are left out.
constexpr int kDeepest = 16;

/// What travels.
struct Record {
  std::string key;      ///< what typeid calls the type that it is made again as; empty: it comes home as a RemoteError
  std::string name;     ///< its type as C++ writes it; empty if it is not of C++
  std::string what;     ///< its text, or its value
  std::string because;  ///< the texts of the exceptions nested in it
  std::string place;
  std::string payload;  ///< what the codec made of it
  std::string cause;    ///< the record of the exception nested in it, encoded, or empty
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& key& name& what& because& place& payload& cause;
  }
};

struct Registry {
  std::shared_mutex mutex;
  std::unordered_map<std::string, ExceptionCodec> codecs;
};
Registry& registry() {
  static Registry* const instance = new Registry;  // used by static objects before and after main
  return *instance;
}

std::optional<ExceptionCodec> find_codec(const std::string& key) {
  {
    auto& own = registry();
    const std::shared_lock lock(own.mutex);
    if (const auto found = own.codecs.find(key); found != own.codecs.end()) return found->second;
  }
  if (const auto found = standard_codecs().find(key); found != standard_codecs().end()) return found->second;
  return std::nullopt;
}

/// The key of the type that C++ calls so; empty if there is none.
std::string find_key(const std::string& name) {
  const auto find_in = [&](const std::unordered_map<std::string, ExceptionCodec>& codecs) {
    for (const auto& [key, codec] : codecs) {
      if (readable_name(key.c_str()) == name) return key;
    }
    return std::string();
  };
  auto& own = registry();
  const std::shared_lock lock(own.mutex);
  const std::string key = find_in(own.codecs);
  return key.empty() ? find_in(standard_codecs()) : key;
}

std::exception_ptr nested_in(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::nested_exception& nested) {
    return nested.nested_ptr();
  } catch (...) {
    return nullptr;
  }
}

std::string string_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string text_of(const std::exception_ptr& error, const std::type_info& type) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return what_of(e);
  } catch (...) {
    return value_text(error, type);
  }
}

std::string named(const Record& record) {
  const std::string name = record.name.empty() ? "an exception of unknown type" : record.name;
  const std::string text = record.what + record.because;
  return text.empty() ? name : name + ": " + text;
}

/// Of the exception that is being handled.
Record record_current_exception(int depth) {
  Record record;
  const std::type_info* const type = __cxxabiv1::__cxa_current_exception_type();
  const std::exception_ptr error = std::current_exception();
  if (type == nullptr || !error) return record;  // of another language
  record.name = exception_type_name(*type);
  record.what = text_of(error, *type);
  record.key = type->name();
  auto codec = find_codec(record.key);
  if (const std::exception_ptr cause = nested_in(error); cause && depth < kDeepest) {
    if (!codec && type_name(*type) != record.name) {
      record.key = find_key(record.name);
      codec = find_codec(record.key);
    }
    try {
      std::rethrow_exception(cause);
    } catch (...) {
      const Record inner = record_current_exception(depth + 1);
      record.because = "; because of " + named(inner);
      Bytes encoded;
      encode(encoded, inner);
      record.cause = string_of(encoded);
    }
  }
  const void* const object = codec ? codec->match(error) : nullptr;
  if (object == nullptr) {
    record.key.clear();
    return record;
  }
  Bytes payload;
  try {
    codec->encode(payload, object);
    record.payload = string_of(payload);
  } catch (...) {
    record.key.clear();  // what it holds cannot be told
  }
  return record;
}

std::exception_ptr make_again(const Record& record, const MapTallyPtr& map, const std::string& note, int depth) {
  std::exception_ptr cause;
  if (!record.cause.empty() && depth < kDeepest) {
    cause = make_again(decode<Record>(std::as_bytes(std::span(record.cause))), {}, "", depth + 1);
  }
  Trace trace;
  if (!record.place.empty()) trace.text = record.place + ": " + named(record);
  trace.map = map;
  const std::string what = record.what + note;
  const ExceptionParts parts{std::as_bytes(std::span(record.payload)), what, note, trace, cause};
  std::string why_not;
  if (const auto codec = find_codec(record.key)) {
    try {
      return codec->decode(parts);
    } catch (...) {
      why_not = " (it could not be made again: " + current_exception_text() + ")";
    }
  }
  return make_exception(RemoteError(record.name, named(record) + why_not + note), parts);
}

}  // namespace

void register_exception(const std::type_info& type, ExceptionCodec codec) {
  auto& own = registry();
  const std::unique_lock lock(own.mutex);
  own.codecs[type.name()] = codec;
}

Bytes encode_current_exception(const std::string& place) noexcept {
  Bytes encoded;
  try {
    Record record = record_current_exception(0);
    record.place = place;
    encode(encoded, record);
  } catch (...) {
    encoded.clear();  // no memory: an empty record says that something was thrown
  }
  return encoded;
}

std::exception_ptr decode_exception(std::span<const std::byte> encoded, const MapTallyPtr& map,
                                    const std::string& note) noexcept {
  try {
    return make_again(decode<Record>(encoded), map, note, 0);
  } catch (...) {
    try {
      const std::string why = "an exception that could not be decoded: " + current_exception_text();
      return std::make_exception_ptr(RemoteError(why));
    } catch (...) {
      return std::current_exception();
    }
  }
}

}  // namespace rankpool::inline v0_2::detail
