// Ending: how one life of the daemon ends, in whatever order a signal, a failure and the wish for
// another life come. Pure.
#pragma once

#include <optional>

namespace parley::daemon {

inline constexpr int kRefused = 1;

class Ending {
 public:
  void told_to_stop() { stop_ = true; }
  void failed() { failed_ = true; }
  // False: the daemon was told to stop, and goes on with that.
  bool begin_again() {
    again_ = true;
    return !stop_;
  }
  // nullopt: the next life is to begin.
  std::optional<int> exit_code() const {
    if (failed_) return kRefused;
    if (again_ && !stop_) return std::nullopt;
    return 0;
  }

 private:
  bool stop_ = false, failed_ = false, again_ = false;
};

}  // namespace parley::daemon
