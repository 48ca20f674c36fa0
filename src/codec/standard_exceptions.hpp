#pragma once

#include <rankpool/detail/exception_codec.hpp>

#include <string>
#include <unordered_map>

namespace rankpool::inline v0_2::detail {

/// How the exceptions of the standard library and of this one travel, by what typeid calls them.
const std::unordered_map<std::string, ExceptionCodec>& standard_codecs();

}  // namespace rankpool::inline v0_2::detail
