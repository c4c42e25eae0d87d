#include "tools/demo/screen.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace parley::demo {
namespace {

constexpr std::size_t kColumns = 78;
// For the panel, and some lines of text above it.
constexpr int kColumnsLeast = 80, kRowsLeast = 24;

bool has_room() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= kColumnsLeast &&
         size.ws_row >= kRowsLeast;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

std::string wrapped(const std::string& text, const std::string& first, const std::string& indent) {
  if (first.size() + text.size() <= kColumns) return first + text + "\n";
  std::istringstream words(text);
  std::string out, line = first;
  bool empty = true;
  for (std::string word; words >> word; empty = false) {
    if (!empty && line.size() + 1 + word.size() > kColumns) {
      out += line + "\n";
      line = indent;
      empty = true;
    }
    line += (empty ? "" : " ") + word;
  }
  return out + line + "\n";
}

Screen::Screen(Recording& recording) : recording_(recording) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const std::string kind = variable("TERM");
  const bool moves = terminal && !kind.empty() && kind != "dumb";
  live_ = moves && has_room();
  coloured_ = moves && variable("NO_COLOR").empty();
}

Screen::~Screen() { panel(""); }

std::string Screen::painted(const char* how, const std::string& text) const {
  return coloured_ ? fmt::format("\033[{}m{}\033[0m", how, text) : text;
}

std::string Screen::panel_erased() const {
  const auto lines = std::count(panel_.begin(), panel_.end(), '\n');
  return lines == 0 ? "" : fmt::format("\033[{}A\r\033[J", lines);
}

void Screen::out(const std::string& text) {
  const bool all = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  printed_ = std::fflush(stdout) == 0 && all && printed_;
  recording_.add(text);
}

void Screen::print(const std::string& text) {
  const std::lock_guard lock(mutex_);
  out(panel_erased() + text + panel_);
}

void Screen::panel(const std::string& lines) {
  const std::lock_guard lock(mutex_);
  if (!live_ || lines == panel_) return;
  const std::string erased = panel_erased();
  panel_ = has_room() ? lines : "";  // it may have been made smaller
  out(erased + panel_);
}

bool Screen::sound() {
  const std::lock_guard lock(mutex_);
  return recording_.sound() && printed_;
}

}  // namespace parley::demo
