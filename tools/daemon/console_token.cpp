#include "tools/daemon/console_token.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "runtime/asio_loop.h"

namespace parley::daemon {

Result<std::string> make_console_token(const std::string& data_dir) {
  const std::string path = data_dir + "/console-token";
  const std::string token = to_hex(runtime::os_entropy32().substr(0, 16));
  const std::string line = token + "\n";
  const auto failed = [&path] {
    return Error{ErrorCode::Internal, path + ": " + std::strerror(errno)};
  };
  // A file of our own, whatever lay there and whoever could read it.
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return failed();
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failed();
  const auto written = write(file, line.data(), line.size());
  const bool whole = close(file) == 0 && written == static_cast<ssize_t>(line.size());
  if (!whole) return failed();
  return token;
}

}  // namespace parley::daemon
