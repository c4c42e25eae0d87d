#include "tools/demo/stage.h"

#include <fmt/format.h>

#include <cstdio>
#include <sstream>
#include <thread>

namespace parley::demo {
namespace {

constexpr std::size_t kColumns = 78;
constexpr auto kReadingTime = std::chrono::seconds(3);

}  // namespace

std::string wrapped(const std::string& text, const std::string& indent) {
  std::istringstream words(text);
  std::string out, line = indent;
  for (std::string word; words >> word;) {
    if (line.size() > indent.size() && line.size() + 1 + word.size() > kColumns) {
      out += line + "\n";
      line = indent;
    }
    line += (line.size() > indent.size() ? " " : "") + word;
  }
  return out + line + "\n";
}

void Stage::title(const std::string& text) {
  if (slow_ && step_ > 0) std::this_thread::sleep_for(kReadingTime);
  fmt::print("\n{}. {}\n", ++step_, text);
  std::fflush(stdout);
}

void Stage::say(const std::string& text) {
  fmt::print("   {}\n", text);
  std::fflush(stdout);
}

bool Stage::claim(bool holds, const std::string& text) {
  fmt::print("   {} {}\n", holds ? "ok " : "NO ", text);
  std::fflush(stdout);
  failed_ += holds ? 0 : 1;
  ++claims_;
  return holds;
}

void Stage::verdict(const std::string& text) {
  fmt::print("\n{}", wrapped((failed_ == 0 ? "" : "Not as it should be. ") + text, ""));
}

bool Stage::sum_up() {
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  fmt::print("\n{} claims, {} held, in {:.0f} s\n", claims_, claims_ - failed_, took);
  return failed_ == 0 && claims_ > 0;
}

}  // namespace parley::demo
