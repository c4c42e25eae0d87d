#include "tools/cli/shell_history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace parley::cli {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

// The whole text, or nothing is said: history is no data.
void write_to(const std::string& file, int flags, const std::string& text) {
  const int to = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, kOwnerOnly);
  if (to < 0) return;
  fchmod(to, kOwnerOnly);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = write(to, text.data() + done, text.size() - done);
    if (wrote <= 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  close(to);
}

std::string absolute_in(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value == '/' ? value : "";
}

}  // namespace

std::string ShellHistory::usual_file() {
  std::string state = absolute_in("XDG_STATE_HOME");
  if (state.empty()) {
    const std::string home = absolute_in("HOME");
    if (home.empty()) return {};
    state = home + "/.local/state";
  }
  return state + "/parley/history";
}

bool ShellHistory::is_kept(const std::string& line) {
  return !line.empty() && line.front() != ' ' && line.front() != '\t' &&
         line.size() <= kLineBytesMost && line.find('\n') == std::string::npos;
}

std::vector<std::string> ShellHistory::load() const {
  std::vector<std::string> lines;
  if (file_.empty()) return lines;
  std::ifstream in(file_);
  std::size_t read = 0;
  for (std::string line; std::getline(in, line); ++read) {
    if (is_kept(line)) lines.push_back(std::move(line));
    if (lines.size() == 2 * kLinesMost) lines.erase(lines.begin(), lines.begin() + kLinesMost);
  }
  if (lines.size() > kLinesMost) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kLinesMost));
  }
  if (read > 2 * kLinesMost) replace(lines);
  return lines;
}

void ShellHistory::add(const std::string& line) const {
  if (file_.empty() || !is_kept(line)) return;
  std::error_code failed;
  const fs::path folder = fs::path(file_).parent_path();
  if (fs::create_directories(folder, failed)) {
    fs::permissions(folder, fs::perms::owner_all, failed);
  }
  write_to(file_, O_APPEND, line + "\n");
}

void ShellHistory::replace(const std::vector<std::string>& lines) const {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const std::string fresh = file_ + "." + std::to_string(getpid());
  write_to(fresh, O_EXCL, text);
  std::error_code failed;
  fs::rename(fresh, file_, failed);
  if (failed) fs::remove(fresh, failed);
}

}  // namespace parley::cli
