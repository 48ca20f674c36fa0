#include <rankpool/detail/exception_codec.hpp>

#include <rankpool/detail/sink.hpp>
#include <rankpool/detail/type_name.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/serialization.hpp>

#include <any>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <shared_mutex>
#include <stdexcept>
#include <system_error>
#include <unordered_map>
#include <variant>

namespace rankpool::inline v0_2::detail {
namespace {

/// What travels.
struct Record {
  std::string type;  // as typeid gives it
  std::string what;
  std::string place;
  std::string payload;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& type& what& place& payload;
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

struct Traces {
  std::shared_mutex mutex;
  std::unordered_map<const void*, std::string> texts;
};
Traces& traces() {
  static Traces* const instance = new Traces;
  return *instance;
}

template <class E>
ExceptionCodec from_text() {
  ExceptionCodec codec;
  codec.encode = [](Bytes&, const void*) {};
  codec.decode = [](std::span<const std::byte>, const std::string& what, const std::string& trace) {
    return make_traced(E(what), trace);
  };
  return codec;
}
template <class E>
ExceptionCodec from_nothing() {
  ExceptionCodec codec;
  codec.encode = [](Bytes&, const void*) {};
  codec.decode = [](std::span<const std::byte>, const std::string&, const std::string& trace) {
    return make_traced(E(), trace);
  };
  return codec;
}

const std::error_category* category(const std::string& name) {
  if (name == std::generic_category().name()) return &std::generic_category();
  if (name == std::system_category().name()) return &std::system_category();
  if (name == std::iostream_category().name()) return &std::iostream_category();
  if (name == std::future_category().name()) return &std::future_category();
  return nullptr;
}

/// What a system_error, or what derives from it, is made of.
struct Code {
  int value = 0;
  std::string category;
  std::optional<std::string> text;  // as it was given to the constructor, if one was
  std::string path1;
  std::string path2;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value& category& text& path1& path2;
  }
};

/// The text given to a system_error, without what its code adds.
std::optional<std::string> without_code(const std::string& what, const std::error_code& code) {
  const std::string tail = ": " + code.message();
  if (what.ends_with(tail)) return what.substr(0, what.size() - tail.size());
  if (what == code.message()) return std::nullopt;
  return what;
}

const std::system_error* as_system_error(const std::system_error& e) { return &e; }
const std::system_error* as_system_error(const std::future_error&) { return nullptr; }

template <class E, class Make>
ExceptionCodec with_code(Make) {
  ExceptionCodec codec;
  codec.encode = [](Bytes& to, const void* error) {
    const auto& e = *static_cast<const E*>(error);
    Code code;
    code.value = e.code().value();
    code.category = e.code().category().name();
    // Not the what() of filesystem_error, which tells the paths too.
    if (const auto* const base = as_system_error(e))
      code.text = without_code(base->std::system_error::what(), e.code());
    if constexpr (std::is_same_v<E, std::filesystem::filesystem_error>) {
      code.path1 = e.path1().string();
      code.path2 = e.path2().string();
    }
    encode(to, code);
  };
  codec.decode = [](std::span<const std::byte> from, const std::string& what, const std::string& trace) {
    const auto code = decode<Code>(from);
    const auto* const known = category(code.category);
    if (known == nullptr) return make_traced(RemoteError(type_name(typeid(E)), what), trace);
    return make_traced(Make::make(code, std::error_code(code.value, *known)), trace);
  };
  return codec;
}
struct MakeSystemError {
  static std::system_error make(const Code& code, std::error_code error) {
    return code.text ? std::system_error(error, *code.text) : std::system_error(error);
  }
};
struct MakeIosFailure {
  static std::ios_base::failure make(const Code& code, std::error_code error) {
    return std::ios_base::failure(code.text.value_or(""), error);
  }
};
struct MakeFutureError {
  static std::future_error make(const Code&, std::error_code error) {
    return std::future_error(static_cast<std::future_errc>(error.value()));
  }
};
struct MakeFilesystemError {
  static std::filesystem::filesystem_error make(const Code& code, std::error_code error) {
    const std::string text = code.text.value_or("");
    if (!code.path2.empty()) return {text, code.path1, code.path2, error};
    if (!code.path1.empty()) return {text, code.path1, error};
    return {text, error};
  }
};

ExceptionCodec broken_pool_codec(bool terminated) {
  ExceptionCodec codec = terminated ? from_text<TerminatedWorkerError>() : ExceptionCodec{};
  if (!terminated) {
    codec.encode = [](Bytes&, const void*) {};
    codec.decode = [](std::span<const std::byte>, const std::string& what, const std::string& trace) {
      return make_traced(BrokenProcessPool(what), trace);
    };
  }
  return codec;
}

const std::unordered_map<std::string, ExceptionCodec>& standard_codecs() {
  static const auto* const codecs = [] {
    auto* all = new std::unordered_map<std::string, ExceptionCodec>;
    const auto add = [&](const std::type_info& type, ExceptionCodec codec) { all->emplace(type.name(), codec); };
    add(typeid(std::runtime_error), from_text<std::runtime_error>());
    add(typeid(std::logic_error), from_text<std::logic_error>());
    add(typeid(std::domain_error), from_text<std::domain_error>());
    add(typeid(std::invalid_argument), from_text<std::invalid_argument>());
    add(typeid(std::length_error), from_text<std::length_error>());
    add(typeid(std::out_of_range), from_text<std::out_of_range>());
    add(typeid(std::range_error), from_text<std::range_error>());
    add(typeid(std::overflow_error), from_text<std::overflow_error>());
    add(typeid(std::underflow_error), from_text<std::underflow_error>());
    add(typeid(std::exception), from_nothing<std::exception>());
    add(typeid(std::bad_alloc), from_nothing<std::bad_alloc>());
    add(typeid(std::bad_array_new_length), from_nothing<std::bad_array_new_length>());
    add(typeid(std::bad_cast), from_nothing<std::bad_cast>());
    add(typeid(std::bad_any_cast), from_nothing<std::bad_any_cast>());
    add(typeid(std::bad_typeid), from_nothing<std::bad_typeid>());
    add(typeid(std::bad_exception), from_nothing<std::bad_exception>());
    add(typeid(std::bad_optional_access), from_nothing<std::bad_optional_access>());
    add(typeid(std::bad_variant_access), from_nothing<std::bad_variant_access>());
    add(typeid(std::bad_function_call), from_nothing<std::bad_function_call>());
    add(typeid(std::bad_weak_ptr), from_nothing<std::bad_weak_ptr>());
    add(typeid(std::system_error), with_code<std::system_error>(MakeSystemError{}));
    add(typeid(std::ios_base::failure), with_code<std::ios_base::failure>(MakeIosFailure{}));
    add(typeid(std::future_error), with_code<std::future_error>(MakeFutureError{}));
    add(typeid(std::filesystem::filesystem_error), with_code<std::filesystem::filesystem_error>(MakeFilesystemError{}));
    add(typeid(Error), from_text<Error>());
    add(typeid(CancelledError), from_text<CancelledError>());
    add(typeid(TimeoutError), from_text<TimeoutError>());
    add(typeid(InvalidStateError), from_text<InvalidStateError>());
    add(typeid(ShutdownError), from_text<ShutdownError>());
    add(typeid(SerializationError), from_text<SerializationError>());
    add(typeid(TaskTimeoutError), from_text<TaskTimeoutError>());
    add(typeid(BrokenExecutor), from_text<BrokenExecutor>());
    add(typeid(BrokenProcessPool), broken_pool_codec(false));
    add(typeid(TerminatedWorkerError), broken_pool_codec(true));
    add(typeid(RemoteError), from_text<RemoteError>());
    return all;
  }();
  return *codecs;
}

std::optional<ExceptionCodec> find_codec(const std::string& type) {
  {
    auto& own = registry();
    const std::shared_lock lock(own.mutex);
    if (const auto found = own.codecs.find(type); found != own.codecs.end()) return found->second;
  }
  if (const auto found = standard_codecs().find(type); found != standard_codecs().end()) return found->second;
  return std::nullopt;
}

/// The texts of the exceptions nested in this one.
std::string nested_texts(const std::exception& e, int depth = 0) {
  const auto* const nested = dynamic_cast<const std::nested_exception*>(&e);
  if (nested == nullptr || !nested->nested_ptr() || depth > 16) return "";
  try {
    nested->rethrow_nested();
  } catch (const std::exception& inner) {
    return "; because of " + type_name(typeid(inner)) + ": " + inner.what() + nested_texts(inner, depth + 1);
  } catch (...) {
    return "; because of something that is not a std::exception";
  }
}

std::string text_of_unusual() {
  try {
    throw;
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text;
  } catch (int number) {
    return std::to_string(number);
  } catch (long number) {
    return std::to_string(number);
  } catch (unsigned number) {
    return std::to_string(number);
  } catch (double number) {
    return std::to_string(number);
  } catch (bool truth) {
    return truth ? "true" : "false";
  } catch (...) {
    return "";
  }
}

}  // namespace

void remember_trace(const void* address, std::string trace) {
  auto& all = traces();
  const std::unique_lock lock(all.mutex);
  all.texts[address] = std::move(trace);
}

void forget_trace(const void* address) noexcept {
  auto& all = traces();
  const std::unique_lock lock(all.mutex);
  all.texts.erase(address);
}

void register_exception(const std::type_info& type, ExceptionCodec codec) {
  auto& own = registry();
  const std::unique_lock lock(own.mutex);
  own.codecs[type.name()] = codec;
}

Bytes encode_current_exception(const std::string& place) noexcept {
  Bytes encoded;
  try {
    Record record;
    record.place = place;
    const std::type_info* const type = __cxxabiv1::__cxa_current_exception_type();
    record.type = type != nullptr ? type->name() : "";
    const auto codec = find_codec(record.type);
    Bytes payload;
    try {
      throw;
    } catch (const std::exception& e) {
      record.what = e.what();
      record.what += nested_texts(e);
      if (codec && codec->match == nullptr) codec->encode(payload, dynamic_cast<const void*>(&e));
    } catch (...) {
      record.what = text_of_unusual();
    }
    if (codec && codec->match != nullptr) {
      const auto error = std::current_exception();
      if (const void* const own = codec->match(error)) {
        try {
          codec->encode(payload, own);
        } catch (...) {
          record.type += "?";  // what it holds cannot be told: it comes home as a RemoteError
        }
      }
    }
    record.payload.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
    encode(encoded, record);
  } catch (...) {
    encoded.clear();  // no memory: an empty record says that something was thrown
  }
  return encoded;
}

std::exception_ptr decode_exception(std::span<const std::byte> encoded) noexcept {
  try {
    const auto record = decode<Record>(encoded);
    std::string readable = record.type.ends_with('?') ? record.type.substr(0, record.type.size() - 1) : record.type;
    readable = readable_name(readable.c_str());
    const std::string trace =
        record.place.empty() ? std::string() : record.place + ": " + readable + ": " + record.what;
    if (const auto codec = find_codec(record.type)) {
      return codec->decode(std::as_bytes(std::span(record.payload)), record.what, trace);
    }
    std::string text = readable.empty() ? "an exception of unknown type" : readable;
    if (!record.what.empty()) text += ": " + record.what;
    return make_traced(RemoteError(readable, text), trace);
  } catch (const std::exception& e) {
    try {
      return std::make_exception_ptr(RemoteError(std::string("an exception that could not be decoded: ") + e.what()));
    } catch (...) {
      return std::current_exception();
    }
  } catch (...) {
    return std::make_exception_ptr(RemoteError("an exception that could not be decoded"));
  }
}

std::exception_ptr Failure::exception() const {
  switch (kind) {
    case Kind::broken:
      return std::make_exception_ptr(BrokenProcessPool(text, causes));
    case Kind::terminated_worker:
      return std::make_exception_ptr(TerminatedWorkerError(text, causes));
    case Kind::task_timeout:
      return std::make_exception_ptr(TaskTimeoutError(text));
    case Kind::shut_down:
      return std::make_exception_ptr(ShutdownError(text));
    case Kind::serialization:
      return std::make_exception_ptr(SerializationError(text));
  }
  return std::make_exception_ptr(Error(text));
}

}  // namespace rankpool::inline v0_2::detail

namespace rankpool::inline v0_2 {

std::string remote_traceback(const std::exception& error) {
  auto& all = detail::traces();
  const std::shared_lock lock(all.mutex);
  const auto found = all.texts.find(dynamic_cast<const void*>(&error));
  return found == all.texts.end() ? std::string() : found->second;
}

std::string remote_traceback(const std::exception_ptr& error) {
  if (!error) return {};
  static_assert(sizeof(std::exception_ptr) == sizeof(void*));
  const void* object = nullptr;
  std::memcpy(&object, static_cast<const void*>(&error), sizeof object);
  auto& all = detail::traces();
  const std::shared_lock lock(all.mutex);
  const auto found = all.texts.find(object);
  return found == all.texts.end() ? std::string() : found->second;
}

}  // namespace rankpool::inline v0_2
