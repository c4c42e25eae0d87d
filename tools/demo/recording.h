// What a terminal was shown, with times: an asciicast of version 2, which `asciinema play` plays.
#pragma once

#include <chrono>
#include <fstream>
#include <string>

namespace parley::demo {

class Recording {
 public:
  // False: the file cannot be written.
  bool begin(const std::string& file, const std::string& title);
  void add(const std::string& text);
  // Everything so far is in the file, or nothing was to be recorded.
  bool sound();

 private:
  std::ofstream out_;
  std::chrono::steady_clock::time_point begun_;
};

}  // namespace parley::demo
