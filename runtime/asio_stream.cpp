#include "runtime/asio_stream.h"

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <utility>

namespace parley::runtime {
namespace {

using asio::ip::tcp;

// Reads of one readiness, so that one fast peer cannot hold the loop.
constexpr int kReadsPerTurn = 4;
// An output buffer that grew past this is given back once it is empty.
constexpr std::size_t kBufferKept = 1_MiB;
// How long a destroyed stream may go on sending what it was given.
constexpr Duration kLinger = 2s;

bool would_block(const std::error_code& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

// What the socket's pending operations share with the Connection; it outlives the Connection until
// the last of them has come back.
class Stream final : public Flushable, public std::enable_shared_from_this<Stream> {
 public:
  Stream(AsioCore& core, tcp::socket socket, Endpoint remote, Task on_end)
      : core_(core),
        socket_(std::move(socket)),
        remote_(std::move(remote)),
        on_end_(std::move(on_end)) {}
  ~Stream() override { end(); }

  void listen_to(std::function<void(ByteView)> on_bytes,
                 std::function<void(const Error&)> on_closed) {
    on_bytes_ = std::move(on_bytes);
    on_closed_ = std::move(on_closed);
    wait_readable();
  }

  void send(Bytes bytes) {
    if (!usable_ || bytes.empty()) return;
    if (filling_.empty() && filling_.capacity() < bytes.size()) {
      filling_ = std::move(bytes);
    } else {
      filling_ += bytes;
    }
    if (!std::exchange(flush_queued_, true)) core_.flush_later(shared_from_this());
  }

  std::size_t unsent_bytes() const { return filling_.size() + writing_.size() - written_; }
  const Endpoint& remote() const { return remote_; }

  void set_reading(bool on) {
    reading_ = on;
    wait_readable();
  }

  void flush() override {
    flush_queued_ = false;
    if (!write_waiting_) write();
  }

  // The Connection is gone: no callback any more, but what was sent still leaves if it can.
  void abandon() {
    abandoned_ = true;
    if (!usable_) return end();
    if (!write_waiting_) write();
    if (!usable_) return;
    core_.start_timer(core_.now() + kLinger, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->end();
    });
  }

 private:
  void wait_readable() {
    if (!usable_ || abandoned_ || !reading_ || !on_bytes_ || read_waiting_) return;
    read_waiting_ = true;
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this()](const std::error_code& error) {
                         self->read_waiting_ = false;
                         if (error == asio::error::operation_aborted) return;
                         self->core_.turn([&] { self->read(); });
                       });
  }

  void read() {
    auto& buffer = core_.read_buffer();
    for (int i = 0; i < kReadsPerTurn && usable_ && !abandoned_ && reading_; ++i) {
      std::error_code error;
      const std::size_t got = socket_.read_some(asio::buffer(buffer), error);
      if (would_block(error)) break;
      if (error) return broken(error);
      on_bytes_(ByteView(buffer.data(), got));
      if (got < buffer.size()) break;
    }
    wait_readable();
  }

  void write() {
    while (usable_) {
      if (written_ == writing_.size()) {
        if (writing_.capacity() > kBufferKept) writing_ = Bytes();
        writing_.clear();
        written_ = 0;
        writing_.swap(filling_);
      }
      if (writing_.empty()) {
        if (abandoned_) end();
        return;
      }
      std::error_code error;
      written_ += socket_.write_some(
          asio::buffer(writing_.data() + written_, writing_.size() - written_), error);
      if (would_block(error)) return wait_writable();
      if (error) return broken(error);
    }
  }

  void wait_writable() {
    write_waiting_ = true;
    socket_.async_wait(tcp::socket::wait_write,
                       [self = shared_from_this()](const std::error_code& error) {
                         self->write_waiting_ = false;
                         if (error == asio::error::operation_aborted) return;
                         self->core_.turn([&] { self->write(); });
                       });
  }

  void broken(const std::error_code& why) {
    if (!usable_) return;
    end();
    if (abandoned_ || !on_closed_) return;
    const bool orderly = why == asio::error::eof;
    on_closed_(Error{ErrorCode::NoAnswer, orderly ? "the peer closed the connection"
                                                  : "the connection broke: " + plain_text(why)});
  }

  void end() {
    if (!std::exchange(usable_, false)) return;
    std::error_code ignored;
    // Says FIN before close() does, which would say RST if unread bytes are waiting.
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    socket_.close(ignored);
    if (on_end_) on_end_();
  }

  AsioCore& core_;
  tcp::socket socket_;
  const Endpoint remote_;
  Task on_end_;
  std::function<void(ByteView)> on_bytes_;
  std::function<void(const Error&)> on_closed_;
  bool usable_ = true;      // the socket is open
  bool abandoned_ = false;  // the Connection is destroyed
  bool reading_ = true;
  bool read_waiting_ = false;
  bool write_waiting_ = false;
  bool flush_queued_ = false;
  Bytes filling_;  // sent since the last write
  Bytes writing_;  // with the kernel from `written_` on
  std::size_t written_ = 0;
};

class StreamConnection final : public Connection {
 public:
  explicit StreamConnection(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~StreamConnection() override { stream_->abandon(); }
  void listen_to(std::function<void(ByteView)> on_bytes,
                 std::function<void(const Error&)> on_closed) override {
    stream_->listen_to(std::move(on_bytes), std::move(on_closed));
  }
  void send(Bytes bytes) override { stream_->send(std::move(bytes)); }
  std::size_t unsent_bytes() const override { return stream_->unsent_bytes(); }
  void set_reading(bool on) override { stream_->set_reading(on); }
  Endpoint remote() const override { return stream_->remote(); }

 private:
  std::shared_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<Connection> make_stream(AsioCore& core, tcp::socket socket, const Endpoint& remote,
                                        Task on_end) {
  std::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  // Peers that vanish without a word are noticed by whoever uses the stream; this is for those
  // that nobody uses.
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  return std::make_unique<StreamConnection>(
      std::make_shared<Stream>(core, std::move(socket), remote, std::move(on_end)));
}

}  // namespace parley::runtime
