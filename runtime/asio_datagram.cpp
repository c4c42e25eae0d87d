#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/udp.hpp>
#include <memory>
#include <utility>

#include "runtime/asio_network.h"

namespace parley::runtime {
namespace {

using asio::ip::udp;

// Datagrams of one readiness; the rest waits one turn.
constexpr int kDatagramsPerTurn = 256;
// Room for what peers say while this process is stopped: a fresh ALIVE must not be lost.
constexpr int kReceiveBuffer = 1 << 20;

class Socket final : public std::enable_shared_from_this<Socket> {
 public:
  Socket(AsioCore& core, std::function<void(const Endpoint&, ByteView)> on_datagram)
      : core_(core), socket_(core.io()), on_datagram_(std::move(on_datagram)) {}

  std::error_code open(const udp::endpoint& at) {
    std::error_code error;
    socket_.open(at.protocol(), error);
    if (error) return error;
    std::error_code ignored;
    socket_.set_option(asio::socket_base::receive_buffer_size(kReceiveBuffer), ignored);
    socket_.bind(at, error);
    if (!error) socket_.non_blocking(true, error);
    return error;
  }

  void wait() {
    if (!open_) return;
    socket_.async_wait(udp::socket::wait_read,
                       [self = shared_from_this()](const std::error_code& error) {
                         if (error == asio::error::operation_aborted) return;
                         self->core_.turn([&] { self->drain(); });
                       });
  }

  bool send(const Endpoint& to, ByteView payload) {
    std::error_code error;
    const auto address = asio::ip::make_address(to.address, error);
    if (error) return false;
    socket_.send_to(asio::buffer(payload.data(), payload.size()), udp::endpoint(address, to.port),
                    0, error);
    return !error;
  }

  void close() {
    open_ = false;
    std::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void drain() {
    auto& buffer = core_.read_buffer();
    for (int i = 0; i < kDatagramsPerTurn && open_; ++i) {
      std::error_code error;
      udp::endpoint from;
      const std::size_t got = socket_.receive_from(asio::buffer(buffer), from, 0, error);
      if (error == asio::error::would_block || error == asio::error::try_again) break;
      // The echo of an earlier send that found nobody (ICMP): the probe's timeout tells as much.
      if (error) continue;
      on_datagram_({from.address().to_string(), from.port()}, ByteView(buffer.data(), got));
    }
    wait();
  }

  AsioCore& core_;
  udp::socket socket_;
  std::function<void(const Endpoint&, ByteView)> on_datagram_;
  bool open_ = true;
};

class SocketOwner final : public DatagramSocket {
 public:
  explicit SocketOwner(std::shared_ptr<Socket> socket) : socket_(std::move(socket)) {}
  ~SocketOwner() override { socket_->close(); }
  bool send(const Endpoint& to, ByteView payload) override { return socket_->send(to, payload); }

 private:
  std::shared_ptr<Socket> socket_;
};

}  // namespace

Result<std::unique_ptr<DatagramSocket>> AsioNetwork::bind_datagrams(
    const Endpoint& at, std::function<void(const Endpoint& from, ByteView)> on_datagram) {
  std::error_code error;
  const auto address = asio::ip::make_address(at.address, error);
  auto socket = std::make_shared<Socket>(core_, std::move(on_datagram));
  if (!error) error = socket->open(udp::endpoint(address, at.port));
  if (error) {
    return Error{ErrorCode::InvalidArgument,
                 "cannot bind " + to_text(at) + " (UDP): " + plain_text(error)};
  }
  socket->wait();
  return std::unique_ptr<DatagramSocket>(std::make_unique<SocketOwner>(std::move(socket)));
}

}  // namespace parley::runtime
