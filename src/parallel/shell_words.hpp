#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a shell makes of a text, and how a text is kept from it.
namespace rankpool::parallel {

/// The text as one word of a shell of Bourne's family.
std::string quoted(std::string_view text);

/// The words of a list as a shell would read it that knows blanks, quotes and backslashes only. Nothing if it ends
/// within quotes.
std::optional<std::vector<std::string>> split_words(std::string_view list);

/// The words of a command that starts the same program with the same arguments without a shell; nothing if a shell
/// would do more than that: variables, globs, pipes, built-in commands, functions that are exported to it.
///
/// `has_function` tells whether the environment holds a shell function of that name.
std::optional<std::vector<std::string>> plain_words(std::string_view command, std::string_view shell,
                                                    bool (*has_function)(const std::string& name));

/// Whether the environment has a function for bash of that name (BASH_FUNC_name%%).
bool environment_has_function(const std::string& name);

}  // namespace rankpool::parallel
