// A process that outlives the program that started it, found again by its pid file. A pid may name
// another process by now, so one is taken for ours only when boot, start time and arguments are
// those of the process that was started; it is then held by a descriptor, which never names
// another.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/local/launch.h"
#include "tools/local/process.h"

namespace parley::local {

class DetachedProcess {
 public:
  enum class State { Running, Paused, Ended };

  // The pid file is written before the program begins: none ever runs without. Internal: it could
  // not be started or the file not be written.
  static Result<DetachedProcess> start(Launch launch, const std::string& pid_file);
  // nullopt: there is no pid file, or what it names has ended. `arguments`: words that stand beside
  // each other in the process's command line.
  static std::optional<DetachedProcess> find(const std::string& pid_file,
                                             const std::vector<std::string>& arguments);
  ~DetachedProcess();
  DetachedProcess(DetachedProcess&& other) noexcept;
  DetachedProcess& operator=(DetachedProcess&& other) noexcept;

  pid_t pid() const { return pid_; }
  State state() const;
  void signal(int number) const;
  // Until it has ended; false when it has not at the limit.
  bool wait_ended(WallDuration limit) const;

 private:
  DetachedProcess(pid_t pid, int descriptor) : pid_(pid), descriptor_(descriptor) {}
  pid_t pid_ = -1;
  int descriptor_ = -1;  // a pidfd
};

}  // namespace parley::local
