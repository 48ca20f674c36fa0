#include "codec/exception_text.hpp"

#include "codec/read_beyond.hpp"

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/type_name.hpp>
#include <rankpool/detail/what_of.hpp>

#include <cxxabi.h>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace rankpool::inline v0_2::detail {
namespace {

template <class Number>
std::string number_text(Number number) {
  if constexpr (std::is_same_v<Number, bool>) {
    return number ? "true" : "false";
  } else if constexpr (std::is_same_v<Number, char>) {
    if (number >= ' ' && number <= '~') return std::string("'") + number + "'";
    return std::to_string(static_cast<int>(number));
  } else if constexpr (std::is_floating_point_v<Number>) {
    std::array<char, 64> text{};  // the shortest that gives the same number again
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    return {text.data(), end};
  } else {
    return std::to_string(+number);
  }
}

template <class... Numbers>
std::optional<std::string> text_if_number(const void* object, const std::type_info& type) {
  std::optional<std::string> text;
  const auto is = [&]<class Number>(std::type_identity<Number>) {
    if (type != typeid(Number)) return false;
    Number number{};
    std::memcpy(&number, object, sizeof number);
    text = number_text(number);
    return true;
  };
  (is(std::type_identity<Numbers>()) || ...);
  return text;
}

/// Nothing at run time says how many bytes an enumeration has. Where it matters all readings are told.
std::string enum_text(const void* object) {
  const auto as_int = read_beyond<std::int32_t>(object);  // exception objects stand in larger blocks than this
  const auto as_short = read_beyond<std::int16_t>(object);
  const auto as_char = read_beyond<signed char>(object);
  if (as_int == as_char) return std::to_string(as_int);
  std::string text = std::to_string(as_int) + " as an int";
  if (as_short != as_int) text += ", " + std::to_string(as_short) + " as a short";
  if (as_char != as_short) text += ", " + std::to_string(as_char) + " as a char";
  return text;
}

/// As UTF-8, whatever the locale.
template <class Text>
std::string narrow(const Text& text) {
  try {
    return std::filesystem::path(std::u32string(text.begin(), text.end())).string();
  } catch (...) {
    return "a text that is no Unicode";
  }
}

template <class Char>
std::string text_or_null(const Char* text) {
  if (text == nullptr) return "a null pointer";
  if constexpr (std::is_same_v<Char, char>) {
    return text;
  } else {
    return narrow(std::basic_string_view<Char>(text));
  }
}

}  // namespace

const void* exception_object(const std::exception_ptr& error) noexcept {
  static_assert(sizeof(std::exception_ptr) == sizeof(void*));
  const void* object = nullptr;
  std::memcpy(&object, static_cast<const void*>(&error), sizeof object);
  return object;
}

std::string value_text(const std::exception_ptr& error, const std::type_info& type) {
  const void* const object = exception_object(error);
  if (object == nullptr) return "";
  if (auto text = text_if_number<bool, char, signed char, unsigned char, char8_t, char16_t, char32_t, wchar_t, short,
                                 unsigned short, int, unsigned, long, unsigned long, long long, unsigned long long,
                                 float, double, long double>(object, type)) {
    return *std::move(text);
  }
  if (dynamic_cast<const abi::__enum_type_info*>(&type) != nullptr && type != typeid(std::errc)) {
    return enum_text(object);
  }
  try {
    std::rethrow_exception(error);
  } catch (std::nullptr_t) {  // before the pointers, which would take it
    return text_or_null<char>(nullptr);
  } catch (const std::exception* pointee) {
    return pointee == nullptr ? text_or_null<char>(nullptr) : what_of(*pointee);
  } catch (const char* text) {
    return text_or_null(text);
  } catch (const wchar_t* text) {
    return text_or_null(text);
  } catch (const void* pointer) {
    return pointer == nullptr ? text_or_null<char>(nullptr) : "";
  } catch (const std::string& text) {
    return text;
  } catch (const std::string_view& text) {
    return std::string(text);
  } catch (const std::wstring& text) {
    return narrow(text);
  } catch (const std::u8string& text) {
    return {text.begin(), text.end()};
  } catch (const std::error_code& code) {
    return code.message();
  } catch (const std::error_condition& condition) {
    return condition.message();
  } catch (std::errc code) {
    return std::make_error_condition(code).message();
  } catch (...) {
    return "";
  }
}

std::string unwrapped_name(std::string readable) {
  for (const std::string_view wrapper : {"std::_Nested_exception<", "rankpool::detail::WithCause<"}) {
    if (!readable.starts_with(wrapper) || !readable.ends_with('>')) continue;
    readable = readable.substr(wrapper.size(), readable.size() - wrapper.size() - 1);
    while (readable.ends_with(' ')) readable.pop_back();
    // std::throw_with_nested takes a constant for a type of its own.
    if (constexpr std::string_view kConst = " const"; readable.ends_with(kConst)) {
      readable.resize(readable.size() - kConst.size());
    }
  }
  return readable;
}

std::string exception_type_name(const std::type_info& type) { return unwrapped_name(type_name(type)); }

}  // namespace rankpool::inline v0_2::detail
