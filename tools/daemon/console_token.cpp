#include "tools/daemon/console_token.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "runtime/asio_loop.h"

namespace parley::daemon {
namespace {

std::string path_in(const std::string& data_dir) { return data_dir + "/console-token"; }

Error failed(const std::string& path) {
  return {ErrorCode::Internal, path + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::string> make_console_token(const std::string& data_dir) {
  const std::string path = path_in(data_dir);
  const std::string token = to_hex(runtime::os_entropy32().substr(0, 16));
  const std::string line = token + "\n";
  // A file of our own, whatever lay there and whoever could read it.
  if (const Status dropped = drop_console_token(data_dir); !dropped) return dropped.error();
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failed(path);
  const auto written = write(file, line.data(), line.size());
  const bool whole = close(file) == 0 && written == static_cast<ssize_t>(line.size());
  if (!whole) return failed(path);
  return token;
}

Status drop_console_token(const std::string& data_dir) {
  const std::string path = path_in(data_dir);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return failed(path);
  return Done{};
}

}  // namespace parley::daemon
