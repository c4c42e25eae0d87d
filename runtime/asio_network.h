// Network over Asio: TCP streams and UDP sockets on the loop's io_context. No exception leaves it.
#pragma once

#include "runtime/asio_core.h"
#include "runtime/network.h"

namespace parley::runtime {

class AsioNetwork final : public Network {
 public:
  explicit AsioNetwork(AsioCore& core) : core_(core) {}
  Result<std::unique_ptr<Listener>> listen(
      const Endpoint& at, std::function<void(std::unique_ptr<Connection>)> on_accept) override;
  void connect(const std::string& local_address, const Endpoint& to, Duration timeout,
               std::function<void(Result<std::unique_ptr<Connection>>)> done) override;
  Result<std::unique_ptr<DatagramSocket>> bind_datagrams(
      const Endpoint& at, std::function<void(const Endpoint& from, ByteView)> on_datagram) override;

 private:
  AsioCore& core_;
};

}  // namespace parley::runtime
