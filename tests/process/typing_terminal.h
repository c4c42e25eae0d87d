// A program on a terminal of its own, and a person who types.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace parley::process_test {

class Terminal {
 public:
  // `environment` entries are NAME=VALUE, before ours.
  Terminal(const std::vector<std::string>& command, const std::vector<std::string>& environment);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const;
  // Reads until `text` has been shown since the last such wait.
  bool shows(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(10));
  // Its exit code, or 128 + signal; nullopt when it still runs at the limit.
  std::optional<int> end(std::chrono::milliseconds limit = std::chrono::seconds(10));
  const std::string& screen() const { return screen_; }  // all that was shown
  pid_t pid() const { return pid_; }

 private:
  bool read_some(std::chrono::milliseconds limit);

  pid_t pid_ = -1;
  int line_ = -1;
  std::string screen_;
  std::size_t seen_ = 0;
};

}  // namespace parley::process_test
