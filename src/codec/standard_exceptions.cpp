#include "codec/standard_exceptions.hpp"

#include <rankpool/detail/type_name.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/serialization.hpp>

#include <any>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <typeinfo>
#include <variant>

namespace rankpool::inline v0_2::detail {
namespace {

template <class E>
ExceptionCodec from_text() {
  return {[](Bytes&, const void*) {}, [](const ExceptionParts& parts) { return make_exception(E(parts.what), parts); },
          &match_exception<E>};
}
template <class E>
ExceptionCodec from_nothing() {
  return {[](Bytes&, const void*) {}, [](const ExceptionParts& parts) { return make_exception(E(), parts); },
          &match_exception<E>};
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
  codec.decode = [](const ExceptionParts& parts) {
    auto code = decode<Code>(parts.payload);
    const auto* const known = category(code.category);
    if (known == nullptr) {
      return make_exception(RemoteError(type_name(typeid(E)), parts.what), parts);
    }
    if (!parts.note.empty()) code.text = code.text.value_or("") + parts.note;
    return make_exception(Make::make(code, std::error_code(code.value, *known)), parts);
  };
  codec.match = &match_exception<E>;
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

ExceptionCodec remote_error_codec() {
  return {[](Bytes& to, const void* error) { encode(to, static_cast<const RemoteError*>(error)->type_name()); },
          [](const ExceptionParts& parts) {
            return make_exception(RemoteError(decode<std::string>(parts.payload), parts.what), parts);
          },
          &match_exception<RemoteError>};
}

}  // namespace

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
    add(typeid(BrokenProcessPool), from_text<BrokenProcessPool>());
    add(typeid(TerminatedWorkerError), from_text<TerminatedWorkerError>());
    add(typeid(RemoteError), remote_error_codec());
    return all;
  }();
  return *codecs;
}

// -- what a program's own exceptions have from the standard library

namespace {

/// The text of a class's base, and the code if there is one.
struct StandardPart {
  std::string text;
  int value = 0;
  std::string category;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& text& value& category;
  }
};

std::string packed(const StandardPart& part) {
  Bytes bytes;
  encode(bytes, part);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
StandardPart unpacked(const std::string& part) { return decode<StandardPart>(std::as_bytes(std::span(part))); }

}  // namespace

// Not the virtual what(), which may tell more or less than the base holds.
std::string standard_part(const std::runtime_error& error) { return packed({error.std::runtime_error::what(), 0, ""}); }
std::string standard_part(const std::logic_error& error) { return packed({error.std::logic_error::what(), 0, ""}); }
std::string standard_part(const std::system_error& error) {
  return packed({error.std::runtime_error::what(), error.code().value(), error.code().category().name()});
}

void restore_standard_part(std::runtime_error& error, const std::string& part, const std::string& note) {
  error = std::runtime_error(unpacked(part).text + note);
}
void restore_standard_part(std::logic_error& error, const std::string& part, const std::string& note) {
  error = std::logic_error(unpacked(part).text + note);
}
void restore_standard_part(std::system_error& error, const std::string& part, const std::string& note) {
  const StandardPart all = unpacked(part);
  const auto* const known = category(all.category);
  if (known == nullptr) throw Error("the error category \"" + all.category + "\" is not known here");
  error = std::system_error(all.value, *known);
  static_cast<std::runtime_error&>(error) = std::runtime_error(all.text + note);
}

}  // namespace rankpool::inline v0_2::detail
