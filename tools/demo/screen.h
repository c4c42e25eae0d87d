// Where a demo is shown: on a terminal, with a panel below the text that is drawn anew in its
// place; elsewhere plainly. What is shown may be recorded. For two threads.
#pragma once

#include <mutex>
#include <string>

#include "tools/demo/recording.h"

namespace parley::demo {

class Screen {
 public:
  explicit Screen(Recording& recording);
  // No panel stays behind.
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // There is a panel: a terminal that can move its cursor and has room.
  bool live() const { return live_; }
  void print(const std::string& text);
  // Below what was printed; replaces the one before. Only where `live`.
  void panel(const std::string& lines);
  // False when something could not be printed or recorded.
  bool sound();

  // As they are where there shall be no colours (NO_COLOR, or no terminal).
  std::string bold(const std::string& text) const { return painted("1", text); }
  std::string green(const std::string& text) const { return painted("32", text); }
  std::string red(const std::string& text) const { return painted("1;31", text); }
  std::string dim(const std::string& text) const { return painted("2", text); }

 private:
  std::string painted(const char* how, const std::string& text) const;
  std::string panel_erased() const;
  void out(const std::string& text);

  Recording& recording_;
  bool live_ = false, coloured_ = false, printed_ = true;
  std::mutex mutex_;
  std::string panel_;
};

// Words in lines of at most 78 columns; `first` before the first, `indent` before the others.
std::string wrapped(const std::string& text, const std::string& first, const std::string& indent);

}  // namespace parley::demo
