#include "runtime/asio_network.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <utility>

#include "runtime/asio_stream.h"

namespace parley::runtime {
namespace {

using asio::ip::tcp;

// Streams alive at once per listener; further ones are closed as soon as they are accepted.
constexpr std::size_t kAcceptedMost = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr int kBacklog = 1024;
// No more descriptors: pause instead of spinning.
constexpr Duration kAcceptBackOff = 100ms;

#ifndef IP_BIND_ADDRESS_NO_PORT
constexpr int IP_BIND_ADDRESS_NO_PORT = 24;
#endif
using BindAddressNoPort = asio::detail::socket_option::boolean<IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT>;

class Acceptor final : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(AsioCore& core, std::function<void(std::unique_ptr<Connection>)> on_accept)
      : core_(core), acceptor_(core.io()), on_accept_(std::move(on_accept)) {}

  std::error_code open(const tcp::endpoint& at) {
    std::error_code error;
    acceptor_.open(at.protocol(), error);
    if (error) return error;
    // So that a restarted node need not wait for its predecessor's connections to be forgotten;
    // on Linux two listeners on one port still exclude each other.
    acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(at, error);
    if (!error) acceptor_.listen(kBacklog, error);
    if (!error) acceptor_.non_blocking(true, error);
    return error;
  }

  void wait() {
    if (!open_) return;
    acceptor_.async_wait(tcp::acceptor::wait_read,
                         [self = shared_from_this()](const std::error_code& error) {
                           if (error) return;
                           self->core_.turn([&] { self->accept(); });
                         });
  }

  void close() {
    open_ = false;
    std::error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  void accept() {
    for (int i = 0; i < kAcceptsPerTurn && open_; ++i) {
      std::error_code error;
      tcp::endpoint from;
      tcp::socket socket(core_.io());
      acceptor_.accept(socket, from, error);
      if (error == asio::error::would_block || error == asio::error::try_again) break;
      if (error == asio::error::connection_aborted || error == asio::error::interrupted) continue;
      if (error) return back_off(error);
      if (*alive_ >= kAcceptedMost) continue;  // the socket closes here
      ++*alive_;
      on_accept_(
          make_stream(core_, std::move(socket), endpoint_of(from), [alive = alive_] { --*alive; }));
    }
    wait();
  }

  void back_off(const std::error_code& why) {
    core_.log().warn("listener.cannot_accept", {{"reason", plain_text(why)}});
    core_.start_timer(core_.now() + kAcceptBackOff, [self = shared_from_this()] { self->wait(); });
  }

  AsioCore& core_;
  tcp::acceptor acceptor_;
  std::function<void(std::unique_ptr<Connection>)> on_accept_;
  bool open_ = true;
  std::shared_ptr<std::size_t> alive_ = std::make_shared<std::size_t>(0);
};

class AcceptorListener final : public Listener {
 public:
  explicit AcceptorListener(std::shared_ptr<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}
  ~AcceptorListener() override { acceptor_->close(); }

 private:
  std::shared_ptr<Acceptor> acceptor_;
};

// One attempt to connect, until it has reported.
class Dial final : public std::enable_shared_from_this<Dial> {
 public:
  using Report = std::function<void(Result<std::unique_ptr<Connection>>)>;
  Dial(AsioCore& core, Endpoint to, Report report)
      : core_(core), socket_(core.io()), to_(std::move(to)), report_(std::move(report)) {}

  void start(const std::string& local_address, Duration timeout) {
    std::error_code error;
    const auto remote = asio::ip::make_address(to_.address, error);
    if (!error) prepare(local_address, remote, error);
    if (error) {
      core_.post([self = shared_from_this(), error] { self->fail(plain_text(error)); });
      return;
    }
    timer_ = core_.start_timer(core_.now() + timeout, [self = shared_from_this()] {
      self->timer_ = TimerId::None;
      self->fail("timed out");
    });
    socket_.async_connect(tcp::endpoint(remote, to_.port),
                          [self = shared_from_this()](const std::error_code& outcome) {
                            self->core_.turn([&] { self->finish(outcome); });
                          });
  }

 private:
  void prepare(const std::string& local_address, const asio::ip::address& remote,
               std::error_code& error) {
    socket_.open(remote.is_v4() ? tcp::v4() : tcp::v6(), error);
    if (error || local_address.empty()) return;
    const auto local = asio::ip::make_address(local_address, error);
    if (error) return;
    std::error_code ignored;
    socket_.set_option(tcp::socket::reuse_address(true), ignored);
    // The port is chosen when connecting, so that one port can serve many peers.
    socket_.set_option(BindAddressNoPort(true), ignored);
    socket_.bind(tcp::endpoint(local, 0), error);
  }

  void finish(std::error_code error) {
    if (!report_) return;  // timed out before
    if (error == asio::error::connection_refused) return fail_refused();
    if (error) return fail(plain_text(error));
    // Dialling a free port of the ephemeral range can, by chance, connect a socket to itself.
    const auto own = socket_.local_endpoint(error);
    if (error) return fail(plain_text(error));
    if (own == tcp::endpoint(own.address(), to_.port) && own.address().to_string() == to_.address) {
      return fail_refused();
    }
    core_.cancel_timer(std::exchange(timer_, TimerId::None));
    const auto report = std::exchange(report_, nullptr);
    report(make_stream(core_, std::move(socket_), to_, nullptr));
  }

  void fail_refused() { fail("connection refused", ErrorCode::Refused); }

  void fail(const std::string& why, ErrorCode code = ErrorCode::Unreachable) {
    core_.cancel_timer(std::exchange(timer_, TimerId::None));
    std::error_code ignored;
    socket_.close(ignored);
    const auto report = std::exchange(report_, nullptr);
    report(Error{code, "cannot connect to " + to_text(to_) + ": " + why});
  }

  AsioCore& core_;
  tcp::socket socket_;
  const Endpoint to_;
  Report report_;
  TimerId timer_ = TimerId::None;
};

}  // namespace

Result<std::unique_ptr<Listener>> AsioNetwork::listen(
    const Endpoint& at, std::function<void(std::unique_ptr<Connection>)> on_accept) {
  std::error_code error;
  const auto address = asio::ip::make_address(at.address, error);
  auto acceptor = std::make_shared<Acceptor>(core_, std::move(on_accept));
  if (!error) error = acceptor->open(tcp::endpoint(address, at.port));
  if (error) {
    return Error{ErrorCode::InvalidArgument,
                 "cannot listen on " + to_text(at) + ": " + plain_text(error)};
  }
  acceptor->wait();
  return std::unique_ptr<Listener>(std::make_unique<AcceptorListener>(std::move(acceptor)));
}

void AsioNetwork::connect(const std::string& local_address, const Endpoint& to, Duration timeout,
                          std::function<void(Result<std::unique_ptr<Connection>>)> done) {
  std::make_shared<Dial>(core_, to, std::move(done))->start(local_address, timeout);
}

}  // namespace parley::runtime
