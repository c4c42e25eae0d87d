// What a demo says, and what it claims: every claim is checked, and counted.
#pragma once

#include <chrono>
#include <string>

namespace parley::demo {

class Stage {
 public:
  // `slow`: a pause after each step, for people who read along.
  explicit Stage(bool slow) : slow_(slow) {}

  void title(const std::string& text);
  void say(const std::string& text);
  // Says it with "ok" or "NO" before it; what it was given.
  bool claim(bool holds, const std::string& text);
  // What it was all about, in the end.
  void verdict(const std::string& text);

  // How many claims held; false when one did not, or none was made.
  bool sum_up();

 private:
  const bool slow_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  int step_ = 0, failed_ = 0, claims_ = 0;
};

// Words in lines of at most 78 columns, each with `indent` before it.
std::string wrapped(const std::string& text, const std::string& indent);

}  // namespace parley::demo
