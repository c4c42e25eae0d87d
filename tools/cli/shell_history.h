// ShellHistory: the lines typed into `parley shell`, in a file that only its owner can read. A line
// that begins with a blank is not kept, nor is one that is very long. Where there is no home for
// the file, or it cannot be written, the lines live as long as the shell.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace parley::cli {

class ShellHistory {
 public:
  static constexpr std::size_t kLinesMost = 1000;
  static constexpr std::size_t kLineBytesMost = 4096;

  // $XDG_STATE_HOME/parley/history, else ~/.local/state/parley/history; "": nowhere.
  static std::string usual_file();

  explicit ShellHistory(std::string file) : file_(std::move(file)) {}

  // The newest lines, oldest first. Shortens the file when it has grown to twice as many.
  std::vector<std::string> load() const;
  // At once: a shell that is killed has not forgotten.
  void add(const std::string& line) const;
  static bool is_kept(const std::string& line);

 private:
  void replace(const std::vector<std::string>& lines) const;

  const std::string file_;
};

}  // namespace parley::cli
