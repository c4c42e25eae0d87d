// The network as the rest of the program sees it: datagrams and byte streams between endpoints.
// Production is Asio (asio_network.h); a simulator implements the same interfaces. Loop thread
// only; no callback runs inside the call that registers it or that causes it.
#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/units.h"

namespace parley::runtime {

// One byte stream. Destroying it closes it, once what was sent has left (a few seconds at most),
// and no callback comes after.
class Connection {
 public:
  virtual ~Connection() = default;
  // Set once, before the turn ends in which the connection was received.
  // `on_bytes` may destroy the connection. `on_closed` comes at most once, when the peer closed
  // or the stream broke; the connection is dead then.
  virtual void listen_to(std::function<void(ByteView)> on_bytes,
                         std::function<void(const Error&)> on_closed) = 0;
  // Queues the bytes in order. All that one turn queues leaves in one write.
  virtual void send(Bytes bytes) = 0;
  // Queued and not yet taken by the kernel; the caller enforces its own high-water mark.
  virtual std::size_t unsent_bytes() const = 0;
  // Back-pressure: while off, nothing is read and `on_bytes` does not come. On at first.
  virtual void set_reading(bool on) = 0;
  virtual Endpoint remote() const = 0;
};

// Destroying it stops listening.
class Listener {
 public:
  virtual ~Listener() = default;
};

// Best effort. Destroying it closes it and no callback comes after.
class DatagramSocket {
 public:
  virtual ~DatagramSocket() = default;
  // False when the kernel refused it at once (unreachable, not permitted, full): a failed probe.
  virtual bool send(const Endpoint& to, ByteView payload) = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  // Errors: InvalidArgument with a clear line (address in use, not ours, not permitted).
  virtual Result<std::unique_ptr<Listener>> listen(
      const Endpoint& at, std::function<void(std::unique_ptr<Connection>)> on_accept) = 0;
  // Dials from `local_address` (empty: any), so that a firewall rule between two addresses is a
  // real partition. Nothing was sent on error: Refused when the kernel at `to` said that nobody
  // listens there (proof that the process is gone; a stopped one still accepts), else Unreachable.
  virtual void connect(const std::string& local_address, const Endpoint& to, Duration timeout,
                       std::function<void(Result<std::unique_ptr<Connection>>)> done) = 0;
  virtual Result<std::unique_ptr<DatagramSocket>> bind_datagrams(
      const Endpoint& at, std::function<void(const Endpoint& from, ByteView)> on_datagram) = 0;
};

}  // namespace parley::runtime
