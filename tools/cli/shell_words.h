// A line of `parley shell` as words.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace parley::cli {

// As a POSIX shell quotes: blanks part words, '...' is literal, in "..." a backslash escapes
// " \ $ and `, elsewhere it escapes anything; # at the beginning of a word ends the line. Nothing
// is expanded. InvalidArgument for a quote that is not closed, and for a NUL.
Result<std::vector<std::string>> shell_words(const std::string& line);

}  // namespace parley::cli
