#include "tools/local/detached_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace parley::local {
namespace {

// What /proc/PID/stat says, after the name of the program (which may hold anything).
struct Stat {
  char state = '?';
  std::string started;  // ticks since boot
};
std::optional<Stat> stat_of(pid_t pid) {
  const std::string text = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  Stat out;
  fields >> out.state;                                              // field 3
  for (int field = 4; field <= 22; ++field) fields >> out.started;  // ends with field 22
  if (!fields) return std::nullopt;
  return out;
}

std::string boot_id() {
  std::istringstream text(read_file("/proc/sys/kernel/random/boot_id"));
  std::string id;
  text >> id;
  return id;
}

bool has_arguments(pid_t pid, const std::vector<std::string>& wanted) {
  const std::string text = read_file("/proc/" + std::to_string(pid) + "/cmdline");
  std::vector<std::string> words;
  std::istringstream parts(text);
  for (std::string word; std::getline(parts, word, '\0');) words.push_back(word);
  return std::search(words.begin(), words.end(), wanted.begin(), wanted.end()) != words.end();
}

// "PID START BOOT", replaced as a whole: who reads meanwhile sees the one or the other.
bool write_pid_file(const std::string& path, pid_t pid) {
  const auto stat = stat_of(pid);
  if (!stat) return false;
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << pid << " " << stat->started << " " << boot_id() << "\n";
  file.close();
  std::error_code failed;
  if (file) std::filesystem::rename(fresh, path, failed);
  return file && !failed;
}

int open_pidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

}  // namespace

Result<DetachedProcess> DetachedProcess::start(Launch launch, const std::string& pid_file) {
  const auto cannot = [&launch](const std::string& why) {
    return Error{ErrorCode::Internal, "cannot start " + launch.command[0] + ": " + why};
  };
  bool noted = false;
  launch.outlives_us = true;
  launch.before_it_begins = [&](pid_t pid) { return noted = write_pid_file(pid_file, pid); };
  pid_t pid = -1;
  try {
    pid = parley::local::launch(launch);
  } catch (const std::exception& e) {
    return cannot(e.what());
  }
  if (!noted) return cannot("cannot write " + pid_file);
  // Our own child until we end: its number is not given away before we have waited for it.
  const int descriptor = open_pidfd(pid);
  if (descriptor >= 0) return DetachedProcess(pid, descriptor);
  const std::string why = std::strerror(errno);
  kill(pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  return cannot("pidfd_open: " + why);
}

std::optional<DetachedProcess> DetachedProcess::find(const std::string& pid_file,
                                                     const std::vector<std::string>& arguments) {
  std::istringstream text(read_file(pid_file));
  pid_t pid = -1;
  std::string started, boot;
  if (!(text >> pid >> started >> boot) || pid <= 0 || boot != boot_id()) return std::nullopt;
  // The descriptor first: what is then found to be ours is what it names, or that has ended.
  const int descriptor = open_pidfd(pid);
  if (descriptor < 0) return std::nullopt;
  DetachedProcess found(pid, descriptor);
  const auto stat = stat_of(pid);
  if (!stat || stat->started != started || !has_arguments(pid, arguments)) return std::nullopt;
  if (found.state() == State::Ended) return std::nullopt;
  return found;
}

DetachedProcess::~DetachedProcess() {
  if (descriptor_ >= 0) close(descriptor_);
}

DetachedProcess::DetachedProcess(DetachedProcess&& other) noexcept
    : pid_(other.pid_), descriptor_(std::exchange(other.descriptor_, -1)) {}

DetachedProcess& DetachedProcess::operator=(DetachedProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

DetachedProcess::State DetachedProcess::state() const {
  if (wait_ended(WallDuration(0))) return State::Ended;
  const auto stat = stat_of(pid_);
  return stat && stat->state == 'T' ? State::Paused : State::Running;
}

void DetachedProcess::signal(int number) const {
  syscall(SYS_pidfd_send_signal, descriptor_, number, nullptr, 0);
}

bool DetachedProcess::wait_ended(WallDuration limit) const {
  return eventually(limit, [this] {
    pollfd ended{descriptor_, POLLIN, 0};
    return poll(&ended, 1, 0) > 0;
  });
}

}  // namespace parley::local
