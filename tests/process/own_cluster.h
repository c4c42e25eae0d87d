// A directory for `parley cluster`, whose processes are all killed when the test is over, however
// it ends: they are meant to outlive those who start them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/process/harness.h"

namespace parley::process_test {

class OwnCluster {
 public:
  OwnCluster();
  ~OwnCluster();
  OwnCluster(const OwnCluster&) = delete;
  OwnCluster& operator=(const OwnCluster&) = delete;

  const std::string& scratch() const { return scratch_.path(); }
  std::string directory() const { return scratch() + "/cluster"; }
  std::string file(const std::string& name) const { return directory() + "/" + name; }

  // The command's words; `verb` may bring words of its own.
  std::vector<std::string> words(const std::string& verb, std::vector<std::string> more = {}) const;
  RunResult run(const std::string& verb, std::vector<std::string> more = {},
                const std::vector<std::string>& environment = {}) const;
  // With -o json; fails the test when it does not end with 0 or prints no JSON.
  Json json(const std::string& verb, std::vector<std::string> more = {}) const;
  // Of `status`: a node's row, by number from 1.
  Json node(std::size_t number) const;
  std::vector<pid_t> pids() const;  // 0: dead
  // The data verbs.
  RunResult parley(std::vector<std::string> words) const;

  // A parley of its own, in a folder of its own; `parleyd` is the text of a script beside it ("":
  // none), where $REAL is the real one and $SCRATCH is scratch().
  void use_own_programs(const std::string& parleyd);

 private:
  local::ScratchDirectory scratch_;
  std::string program_;
  pid_t guard_ = -1;
  int guard_pipe_ = -1;
};

// False for one that has ended and was not waited for.
bool is_alive(pid_t pid);

bool says(const RunResult& result, const std::string& text);
// One line that begins with "parley: " and has `text`, and this exit code.
void check_refused(const RunResult& result, int exit_code, const std::string& text);

}  // namespace parley::process_test
