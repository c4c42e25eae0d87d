// What a demo says, and what it claims: every claim is checked, and counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tools/demo/screen.h"

namespace parley::demo {

class Stage {
 public:
  // `slow`: a pause after each step, for people who read along.
  Stage(Screen& screen, bool slow) : screen_(screen), slow_(slow) {}

  void title(const std::string& text);
  void say(const std::string& text);
  // Lines as they are, for a table.
  void show(const std::string& lines);
  // Says it with "ok" or "NO" before it; what it was given.
  bool claim(bool holds, const std::string& text);
  // What it was all about, said in the end.
  void verdict(const std::string& text) { explanation_ = text; }

  // A table, asked for all the time where there is a panel, and at the end of each step elsewhere.
  // Until `end_table`, after which it is never asked for again.
  void begin_table(std::function<std::string()> table);
  void end_table();

  // The verdict: false when a claim did not hold, or the demo did not come to its end.
  bool sum_up();

 private:
  void end_step();
  void redraw(const std::stop_token& stop);

  Screen& screen_;
  const bool slow_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  int step_ = 0, claims_ = 0;
  std::vector<std::string> failed_;
  std::string explanation_;
  std::function<std::string()> table_;
  std::mutex mutex_;  // for the drawer's pauses
  std::condition_variable_any pause_;
  std::jthread drawer_;
};

}  // namespace parley::demo
