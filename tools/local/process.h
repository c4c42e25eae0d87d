// A child process that dies with the thread that started it (so with its parent, however that
// ends): for the demo and the process tests.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace parley::local {

using WallDuration = std::chrono::milliseconds;

// Runs `predicate` until it is true or the deadline has passed; what it said last.
bool eventually(WallDuration limit, const std::function<bool()>& predicate);

// Kills (-9) and reaps the child when destroyed.
class Process {
 public:
  // Standard output and error go to these files ("" : /dev/null). `environment` entries are
  // NAME=VALUE, before ours. Throws std::runtime_error if it cannot be started.
  Process(const std::vector<std::string>& command, const std::string& out_file,
          const std::string& err_file, const std::vector<std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Exit code, or 128 + signal; nullopt while it runs.
  std::optional<int> exit_code();
  // Waits; nullopt when it still runs at the limit.
  std::optional<int> wait(WallDuration limit);

 private:
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

struct RunResult {
  int exit_code = -1;
  std::string out, err;
};
// Runs a command to its end, feeding `input`; -1 and killed when it runs longer than `limit`.
RunResult run(const std::vector<std::string>& command, const std::string& input = {},
              WallDuration limit = std::chrono::seconds(60),
              const std::vector<std::string>& environment = {});

std::string read_file(const std::string& path);
// A directory of its own under the system's temporary directory, removed when destroyed.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The folder that this program stands in: where parleyd and parley are too.
std::string program_folder();

}  // namespace parley::local
