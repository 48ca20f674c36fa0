#pragma once

#include <exception>
#include <string>
#include <typeinfo>

namespace rankpool::inline v0_2::detail {

/// What stands where a type's name and a value are to be told of something that is no std::exception: its value as far
/// as it can be told. `type` is the type of the exception object.
std::string value_text(const std::exception_ptr& error, const std::type_info& type);
/// The address of the exception object.
const void* exception_object(const std::exception_ptr& error) noexcept;
/// The name without wrappers: "app::ParseError" for "std::_Nested_exception<app::ParseError>".
std::string unwrapped_name(std::string readable);

}  // namespace rankpool::inline v0_2::detail
