// A headless Chromium of a test's own, driven over the DevTools protocol on two pipes. It, and all
// that it starts, ends with the test.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>

#include <string>

#include "tools/local/process.h"

namespace parley::process_test {

class Browser {
 public:
  // The program; "" when none is installed.
  static std::string program();

  Browser();
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  void size(int width, int height, bool dark);
  void open(const std::string& url);
  // The value of an expression, awaited if it is a promise. Fails the test when it throws.
  nlohmann::json value(const std::string& expression);
  bool says(const std::string& expression) { return value(expression) == true; }
  // Real events, where the first element that matches is, once it is scrolled to.
  void click(const std::string& selector);
  void press(const std::string& key);
  void type(const std::string& text);
  // Into the build's test output.
  void screenshot(const std::string& name);

 private:
  nlohmann::json call(const std::string& method, nlohmann::json parameters);
  nlohmann::json read_message();

  local::ScratchDirectory profile_;
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  int last_id_ = 0;
  std::string session_, unread_;
};

}  // namespace parley::process_test
