// KJ on our loop: Cap'n Proto RPC and kj-http run on the node's one loop thread, over any
// runtime::Loop and runtime::Connection (so also over a simulator's). Loop thread only.
#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::runtime {

// One per loop thread. Owns the kj::EventLoop of that thread; a turn is posted to the Loop whenever
// KJ has something to run. promise.wait() must never be called on this thread.
// Must outlive every KJ object made on it, and be destroyed on its thread.
class KjPort {
 public:
  explicit KjPort(Loop& loop);
  ~KjPort();
  KjPort(const KjPort&) = delete;
  KjPort& operator=(const KjPort&) = delete;

  kj::Timer& timer();

 private:
  friend Loop& loop_of_kj_port();  // kj_internal.h
  static Loop& loop_of_this_thread();
  struct State;
  std::unique_ptr<State> state_;
};

struct KjStreamLimits {
  // Cap'n Proto streams: check each message's segment table before capnp sees a byte of it. Off
  // for HTTP.
  bool capnp_frames = true;
  std::uint32_t segments_most = 16;
  std::size_t message_bytes_most = 8_MiB;
  // Reading pauses while more than this is buffered unread; writes wait while more is unsent.
  std::size_t buffered_bytes_most = 1_MiB;
  // For servers, whose peers could else go on asking for answers that they never read: a write
  // never waits, and while more than that is unsent nothing is read. Never at both ends, or two
  // full buffers wait for each other.
  bool answers_first = false;
  // While too much is unsent: a peer that takes less than `write_progress_least` in this long is
  // given up, and so is one that has not caught up after four times as long.
  Duration write_stall_most = 30s;
  std::size_t write_progress_least = 16_KiB;
  // Cap'n Proto streams; 0: no bound. A peer whose first message is not whole after this long, or
  // whose later message is not whole this long after its first byte, is given up. The time in
  // which this end reads nothing does not count.
  Duration first_message_most = 0s;
  Duration message_most = 0s;
  // Counts messages that were refused. May come while the stream is reading; must not touch it.
  std::function<void(const Error&)> on_refused = {};
  // A peer was given up: it read nothing or said nothing. Under the same terms.
  std::function<void(const Error&)> on_given_up = {};
  // With each write what it brought, and from time to time how much is unsent now (0 while it is
  // less than buffered_bytes_most). Under the same terms.
  std::function<void(std::size_t written, std::size_t backlog)> on_output = {};
};

// Takes over a connection, on the thread of a KjPort. A message over a limit fails the stream with
// a clear exception and closes the connection. Writes of one turn leave together (the Connection
// does that), so a write may resolve before its bytes have left; the Connection still flushes them
// after the stream is destroyed. A Connection has no half-close: shutdownWrite() flushes and closes
// both directions (what was received stays readable), and a peer that shuts its sending side down
// is taken as gone.
kj::Own<kj::AsyncIoStream> kj_stream(std::unique_ptr<Connection> connection,
                                     const KjStreamLimits& limits);

}  // namespace parley::runtime
