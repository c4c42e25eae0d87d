// A program on a terminal of its own, and what is on the screen in the end.
#pragma once

#include <poll.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tools/local/launch.h"

namespace parley::process_test {

struct TerminalRun {
  int exit_code = -1;
  std::string sent;                 // every byte
  std::vector<std::string> screen;  // the lines, those that have scrolled away too
};

// What moves of a cursor our programs send: up, clear below, colours. Anything else fails the test.
inline std::vector<std::string> screen_after(const std::string& sent, std::size_t columns) {
  std::vector<std::string> lines(1);
  std::size_t row = 0, column = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    if (sent[i] == '\r') {
      column = 0;
    } else if (sent[i] == '\n') {
      if (++row == lines.size()) lines.emplace_back();
    } else if (sent[i] == '\033') {
      const auto end = sent.find_first_of("AJm", i);
      REQUIRE(end != std::string::npos);
      const int number = std::atoi(sent.c_str() + i + 2);
      if (sent[end] == 'A') {
        REQUIRE(static_cast<std::size_t>(number) <= row);
        row -= static_cast<std::size_t>(number);
      } else if (sent[end] == 'J') {
        lines.resize(row + 1);
        lines[row].resize(column);
      }
      i = end;
    } else {
      REQUIRE(column < columns);  // or it would wrap
      std::string& line = lines[row];
      line.resize(std::max(line.size(), column + 1), ' ');
      line[column++] = sent[i];
    }
  }
  return lines;
}

inline TerminalRun run_on_terminal(std::vector<std::string> words,
                                   const std::vector<std::string>& environment,
                                   unsigned short columns, unsigned short rows,
                                   std::chrono::seconds limit) {
  std::vector<std::string> variables = local::merged_environment(environment);
  std::vector<char*> argv = local::exec_pointers(words), envp = local::exec_pointers(variables);
  winsize size{rows, columns, 0, 0};
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, &size);
  REQUIRE(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  TerminalRun run;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  bool open = true;
  while (open && std::chrono::steady_clock::now() < deadline) {
    pollfd ready{terminal, POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    char buffer[4096];
    const ssize_t got = read(terminal, buffer, sizeof buffer);
    open = got > 0;
    if (open) run.sent.append(buffer, static_cast<std::size_t>(got));
  }
  if (open) kill(pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  close(terminal);
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  run.screen = screen_after(run.sent, columns);
  return run;
}

}  // namespace parley::process_test
