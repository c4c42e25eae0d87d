#include "tests/process/typing_terminal.h"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace parley::process_test {

using Clock = std::chrono::steady_clock;

namespace {

int left_until(Clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(0, left.count()));
}

}  // namespace

Terminal::Terminal(const std::vector<std::string>& command,
                   const std::vector<std::string>& environment) {
  winsize size{};
  size.ws_row = 24;
  size.ws_col = 80;
  pid_ = forkpty(&line_, nullptr, nullptr, &size);
  if (pid_ < 0) throw std::runtime_error("no terminal");
  if (pid_ > 0) return;
  setenv("TERM", "xterm", 1);
  for (std::string entry : environment) {
    const auto equals = entry.find('=');
    setenv(entry.substr(0, equals).c_str(), entry.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

Terminal::~Terminal() {
  close(line_);
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Terminal::type(const std::string& keys) const {
  for (std::size_t done = 0; done < keys.size();) {
    const ssize_t wrote = write(line_, keys.data() + done, keys.size() - done);
    if (wrote <= 0) return;
    done += static_cast<std::size_t>(wrote);
  }
}

bool Terminal::read_some(std::chrono::milliseconds limit) {
  pollfd waiting{line_, POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>(limit.count())) <= 0) return false;
  std::array<char, 4096> part{};
  const ssize_t got = read(line_, part.data(), part.size());
  if (got <= 0) return false;
  screen_.append(part.data(), static_cast<std::size_t>(got));
  return true;
}

bool Terminal::shows(const std::string& text, std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  while (true) {
    const auto at = screen_.find(text, seen_);
    if (at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
    if (!read_some(std::chrono::milliseconds(left_until(end)))) return false;
  }
}

std::optional<int> Terminal::end(std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  while (read_some(std::chrono::milliseconds(left_until(end)))) {
  }
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() >= end) return std::nullopt;
    poll(nullptr, 0, 5);
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace parley::process_test
