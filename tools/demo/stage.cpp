#include "tools/demo/stage.h"

#include <fmt/format.h>

#include <sstream>

namespace parley::demo {
namespace {

constexpr auto kReadingTime = std::chrono::seconds(3);
constexpr auto kRedrawnEvery = std::chrono::milliseconds(500);

std::string indented(const std::string& lines) {
  std::istringstream in(lines);
  std::string out;
  for (std::string line; std::getline(in, line);) out += "   " + line + "\n";
  return out;
}

}  // namespace

void Stage::end_step() {
  if (step_ == 0) return;
  if (table_ && !screen_.live()) screen_.print("\n" + indented(table_()));
  if (slow_) std::this_thread::sleep_for(kReadingTime);
}

void Stage::title(const std::string& text) {
  end_step();
  const std::string number = fmt::format("{}. ", ++step_);
  screen_.print("\n" + screen_.bold(wrapped(text, number, std::string(number.size(), ' '))));
}

void Stage::say(const std::string& text) { screen_.print(wrapped(text, "   ", "   ")); }

void Stage::show(const std::string& lines) { screen_.print(indented(lines)); }

bool Stage::claim(bool holds, const std::string& text) {
  ++claims_;
  if (!holds) failed_.push_back(text);
  const std::string mark = holds ? screen_.green("ok ") : screen_.red("NO ");
  screen_.print("   " + mark + wrapped(text, "       ", "       ").substr(6));
  return holds;
}

void Stage::begin_table(std::function<std::string()> table) {
  table_ = std::move(table);
  if (screen_.live()) drawer_ = std::jthread([this](const std::stop_token& stop) { redraw(stop); });
}

void Stage::redraw(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    screen_.panel("\n" + indented(table_()));
    std::unique_lock lock(mutex_);
    pause_.wait_for(lock, stop, kRedrawnEvery, [] { return false; });
  }
}

void Stage::end_table() {
  end_step();
  drawer_ = std::jthread();
  if (screen_.live() && table_) {  // the last one stays
    screen_.panel("");
    screen_.print("\n" + indented(table_()));
  }
  table_ = nullptr;
}

bool Stage::sum_up() {
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun_;
  const bool held = failed_.empty() && claims_ > 0 && !explanation_.empty();
  const auto count = static_cast<std::size_t>(claims_) - failed_.size();
  screen_.print("\n" + (held ? screen_.green("It holds") : screen_.red("It does not hold")) +
                fmt::format(": {} of {} claims held, in {:.0f} s\n", count, claims_, took.count()));
  for (const std::string& text : failed_) screen_.print(wrapped(text, "   NO  ", "       "));
  const std::string should = held ? "" : "What it should have shown: ";
  if (!explanation_.empty()) screen_.print("\n" + wrapped(should + explanation_, "", ""));
  return held;
}

}  // namespace parley::demo
