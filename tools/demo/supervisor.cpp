#include "tools/demo/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tools/local/process.h"

namespace parley::demo {
namespace {

constexpr int kUsage = 2, kUnavailable = 4, kInternal = 9, kInterrupted = 130;

std::string lock_path() {
  if (const char* own = std::getenv("PARLEY_DEMO_LOCK")) return own;
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime != '\0') return std::string(runtime) + "/parley-demo.lock";
  return fmt::format("{}/parley-demo-{}.lock", std::filesystem::temp_directory_path().string(),
                     getuid());
}

// 0: it is held until this process and its child have ended. Else an exit code, and said why.
int hold_lock() {
  const std::string path = lock_path();
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    fmt::print(stderr, "parley: {}: {}\n", path, std::strerror(errno));
    return kUsage;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
  fmt::print(stderr, "parley: another demo is running (it holds {}): one at a time\n", path);
  close(fd);
  return kUnavailable;
}

[[noreturn]] void become_child(const sigset_t& before, pid_t parent, const std::string& scratch,
                               const std::function<int()>& play) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kInternal);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  setenv("TMPDIR", scratch.c_str(), 1);
  std::exit(play());
}

// Until the child has ended, or a signal says that it shall. What the child left behind is ours.
int wait_for(pid_t child, const sigset_t& signals) {
  int code = -1;
  while (code < 0) {
    siginfo_t info{};
    const int signal = sigwaitinfo(&signals, &info);
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) code = kInterrupted;
    int status = 0;
    if (signal == SIGCHLD && waitpid(child, &status, WNOHANG) == child) {
      const bool interrupted = WIFSIGNALED(status) && WTERMSIG(status) == SIGINT;
      code = WIFEXITED(status) ? WEXITSTATUS(status) : interrupted ? kInterrupted : kInternal;
      child = -1;
    }
  }
  if (child > 0) kill(child, SIGKILL);
  // Its nodes get their SIGKILL when it ends; whose parent is gone, comes to us.
  while (wait(nullptr) > 0 || errno == EINTR) {
  }
  return code;
}

}  // namespace

int run_supervised(const std::function<int()>& play) {
  if (const int code = hold_lock(); code != 0) return code;
  const local::ScratchDirectory scratch;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t signals, before;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) become_child(before, parent, scratch.path(), play);
  if (child < 0) {
    fmt::print(stderr, "parley: cannot fork: {}\n", std::strerror(errno));
    return kInternal;
  }
  return wait_for(child, signals);
}

}  // namespace parley::demo
