#include <sys/random.h>

#include <cerrno>
#include <cstddef>

#include "base/check.h"
#include "runtime/asio_loop.h"

namespace parley::runtime {

Bytes os_entropy32() {
  Bytes out(32, '\0');
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t got = getrandom(out.data() + filled, out.size() - filled, 0);
    if (got < 0 && errno == EINTR) continue;
    // Ids minted without chance would collide: better not to start at all.
    PARLEY_CHECK(got > 0);
    filled += static_cast<std::size_t>(got);
  }
  return out;
}

}  // namespace parley::runtime
