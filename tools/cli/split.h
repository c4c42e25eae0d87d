// Words in a line that somebody typed.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace parley::cli {

// What lies between any of the separators; empty pieces are left out.
inline std::vector<std::string> split(const std::string& text, const std::string& separators) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find_first_of(separators, begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

}  // namespace parley::cli
