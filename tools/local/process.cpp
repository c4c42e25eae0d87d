#include "tools/local/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tools/local/launch.h"

namespace parley::local {
namespace {

using Clock = std::chrono::steady_clock;

// Reads what is there; false at the end of the stream.
bool drain(int fd, std::string& into) {
  char buffer[65536];
  const ssize_t got = read(fd, buffer, sizeof buffer);
  if (got > 0) into.append(buffer, static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

int status_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

bool eventually(WallDuration limit, const std::function<bool()>& predicate) {
  const auto deadline = Clock::now() + limit;
  while (true) {
    if (predicate()) return true;
    if (Clock::now() >= deadline) return false;
    poll(nullptr, 0, 20);
  }
}

Process::Process(const std::vector<std::string>& command, const std::string& out_file,
                 const std::string& err_file, const std::vector<std::string>& environment) {
  pid_ = launch({command, out_file, err_file, environment});
}

Process::~Process() {
  if (exit_code_) return;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
}

void Process::signal(int number) const {
  if (!exit_code_) kill(pid_, number);
}

std::optional<int> Process::exit_code() {
  int status = 0;
  if (!exit_code_ && waitpid(pid_, &status, WNOHANG) == pid_) exit_code_ = status_code(status);
  return exit_code_;
}

std::optional<int> Process::wait(WallDuration limit) {
  eventually(limit, [this] { return exit_code().has_value(); });
  return exit_code_;
}

RunResult run(const std::vector<std::string>& command, const std::string& input, WallDuration limit,
              const std::vector<std::string>& environment) {
  std::vector<std::string> words = command;
  std::vector<std::string> variables = merged_environment(environment);
  std::vector<char*> argv = exec_pointers(words);
  std::vector<char*> envp = exec_pointers(variables);
  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    throw std::runtime_error("cannot make a pipe");
  }
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  fcntl(in[1], F_SETFL, O_NONBLOCK);
  RunResult result;
  const auto deadline = Clock::now() + limit;
  std::size_t fed = 0;
  bool out_open = true, err_open = true, in_open = true;
  while ((out_open || err_open) && Clock::now() < deadline) {
    if (in_open && fed == input.size()) {
      close(in[1]);
      in_open = false;
    }
    pollfd fds[3] = {{out_open ? out[0] : -1, POLLIN, 0},
                     {err_open ? err[0] : -1, POLLIN, 0},
                     {in_open ? in[1] : -1, POLLOUT, 0}};
    poll(fds, 3, 100);
    if (fds[0].revents != 0) out_open = drain(out[0], result.out);
    if (fds[1].revents != 0) err_open = drain(err[0], result.err);
    if (in_open && fds[2].revents != 0) {
      const ssize_t put = write(in[1], input.data() + fed, input.size() - fed);
      fed = put > 0 ? fed + static_cast<std::size_t>(put) : (errno == EAGAIN ? fed : input.size());
    }
  }
  const bool timed_out = out_open || err_open;
  if (timed_out) kill(pid, SIGKILL);
  if (in_open) close(in[1]);
  close(out[0]);
  close(err[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = timed_out ? -1 : status_code(status);
  return result;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

ScratchDirectory::ScratchDirectory() {
  const char* base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr ? base : "/tmp") + "/parley-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string program_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

}  // namespace parley::local
