#pragma once

#include <optional>
#include <string>

namespace rankpool::parallel {

/// An option of GNU parallel or xargs that is not here: a sentence that names it and says what to do instead. Nothing
/// for other names. `name` does not begin with dashes.
std::optional<std::string> refusal_of(const std::string& name);

/// Two names that differ in dashes only are one option to GNU parallel: --keeporder.
std::string without_dashes(std::string name);

}  // namespace rankpool::parallel
