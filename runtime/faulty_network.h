// A Network that does to another one what a FaultTable says. Streams behave under it as over a bad
// wire: a cut one neither moves nor ends, a lost piece arrives late, and what was sent before the
// owner dropped the stream still leaves in its own time.
//
// What it cannot do: a process that ends while its links are cut is still seen to end, since its
// kernel closes its sockets; and until its greeting is missed, a peer may take a stream for made
// whose acceptor is cut off.
#pragma once

#include <list>
#include <memory>

#include "base/lifetime.h"
#include "base/random.h"
#include "runtime/fault_table.h"
#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::runtime {

class FaultyStream;

class FaultyNetwork final : public Network {
 public:
  // Datagrams on their way: past it, new ones are lost. Streams that outlive their owner, and what
  // they have still to send: past these, the oldest go.
  static constexpr std::size_t kDatagramsMost = 4096;
  static constexpr std::size_t kLeavingMost = 256;
  static constexpr std::size_t kLeavingBytesMost = 64_MiB;

  // All outlive it; it outlives all that was made on it.
  FaultyNetwork(Network& wire, Loop& loop, const FaultTable& table, Random random);
  ~FaultyNetwork() override;

  // The table is another one now: what a cut held goes on.
  void table_changed();

  Result<std::unique_ptr<Listener>> listen(
      const Endpoint& at, std::function<void(std::unique_ptr<Connection>)> on_accept) override;
  void connect(const std::string& local_address, const Endpoint& to, Duration timeout,
               std::function<void(Result<std::unique_ptr<Connection>>)> done) override;
  Result<std::unique_ptr<DatagramSocket>> bind_datagrams(
      const Endpoint& at, std::function<void(const Endpoint& from, ByteView)> on_datagram) override;

 private:
  friend class FaultyStream;
  friend class FaultyConnection;
  friend class FaultySocket;

  std::unique_ptr<Connection> wrap(std::unique_ptr<Connection> raw);
  void keep_leaving(std::shared_ptr<FaultyStream> stream);

  Network& wire_;
  Loop& loop_;
  const FaultTable& table_;
  Random random_;
  std::list<std::weak_ptr<FaultyStream>> streams_;
  std::list<std::shared_ptr<FaultyStream>> leaving_;
  std::size_t datagrams_held_ = 0;
  Lifetime lifetime_;
};

}  // namespace parley::runtime
