#include "tools/local/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace parley::local {
namespace {

constexpr int kCannotBegin = 127;

// What the child needs, made before the fork: after it, nothing may allocate.
struct Prepared {
  std::vector<char*> argv, envp;
  int gate[2] = {-1, -1};  // the child begins when a byte comes through
  sigset_t signals{};      // those that we had blocked
};

// A signal that comes to the child at once must meet the default there, and not what we do with it.
void hold_all_signals(sigset_t& before) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
}
void default_signals(const sigset_t& before) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_DFL);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void redirect(int to, const std::string& file) {
  const int fd =
      open(file.empty() ? "/dev/null" : file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd >= 0) dup2(fd, to);
}

// False: whoever started us said no, or is gone.
bool gate_opens(const Prepared& prepared) {
  if (prepared.gate[0] < 0) return true;
  close(prepared.gate[1]);
  char go = 0;
  ssize_t got = 0;
  do {
    got = read(prepared.gate[0], &go, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1;
}

// In the child; never returns.
[[noreturn]] void become(const Launch& launch, const Prepared& prepared) {
  default_signals(prepared.signals);
  if (launch.outlives_us)
    setsid();
  else
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDONLY);
  if (null >= 0) dup2(null, 0);
  redirect(1, launch.out_file);
  redirect(2, launch.err_file);
  const std::string& folder = launch.working_directory;
  if (!folder.empty() && chdir(folder.c_str()) != 0) _exit(kCannotBegin);
  if (!gate_opens(prepared)) _exit(kCannotBegin);
  for (int fd = 3; fd < 256; ++fd) close(fd);
  execvpe(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  _exit(kCannotBegin);
}

void pass_gate(const Launch& launch, const Prepared& prepared, pid_t pid) {
  if (prepared.gate[0] < 0) return;
  const bool go = launch.before_it_begins(pid) && write(prepared.gate[1], "!", 1) == 1;
  close(prepared.gate[0]);
  close(prepared.gate[1]);
  int status = 0;
  if (!go) waitpid(pid, &status, 0);
}

}  // namespace

std::vector<char*> exec_pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& extra) {
  std::vector<std::string> out = extra;  // the first of a name counts
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

pid_t launch(const Launch& launch) {
  std::vector<std::string> words = launch.command;
  std::vector<std::string> variables = merged_environment(launch.environment);
  Prepared prepared;
  prepared.argv = exec_pointers(words);
  prepared.envp = exec_pointers(variables);
  if (launch.before_it_begins && pipe2(prepared.gate, O_CLOEXEC) != 0) {
    throw std::runtime_error("cannot make a pipe");
  }
  hold_all_signals(prepared.signals);
  const pid_t pid = fork();
  if (pid == 0) become(launch, prepared);
  pthread_sigmask(SIG_SETMASK, &prepared.signals, nullptr);
  if (pid < 0) throw std::runtime_error("cannot fork");
  pass_gate(launch, prepared, pid);
  return pid;
}

}  // namespace parley::local
