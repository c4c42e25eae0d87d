// Runs demos, each with a lock of its own, so that tests run beside each other.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/process/harness.h"

namespace parley::process_test {

class DemoStage {
 public:
  std::string lock() const { return scratch_.path() + "/lock"; }
  std::string file(const std::string& name) const { return scratch_.path() + "/" + name; }
  // What a demo leaves behind would be here.
  std::string temporary() const { return file("tmp"); }

  DemoStage() { std::filesystem::create_directory(temporary()); }

  std::vector<std::string> environment() const {
    return {"PARLEY_DEMO_LOCK=" + lock(), "TMPDIR=" + temporary()};
  }
  // `parley demo WORDS`, with the programs of this folder ("": where they were built).
  RunResult run(std::vector<std::string> words, std::vector<std::string> environment_too = {},
                std::string programs = {}) const {
    if (programs.empty()) programs = local::program_folder();
    words.insert(words.begin(), {programs + "/parley", "demo"});
    for (const std::string& entry : environment()) environment_too.push_back(entry);
    return local::run(words, "", std::chrono::seconds(120), environment_too);
  }

 private:
  local::ScratchDirectory scratch_;
};

}  // namespace parley::process_test
