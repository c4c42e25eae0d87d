// One stream under faults: what is sent and what arrives waits its time on the way.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "base/lifetime.h"
#include "runtime/fault_table.h"
#include "runtime/loop.h"
#include "runtime/network.h"

namespace parley::runtime {

// Held by its owner's FaultyConnection, and once that is gone by the network until all has left.
class FaultyStream final : public std::enable_shared_from_this<FaultyStream> {
 public:
  FaultyStream(std::unique_ptr<Connection> raw, Loop& loop, const FaultTable& table, Random random);

  void listen_to(std::function<void(ByteView)> on_bytes,
                 std::function<void(const Error&)> on_closed);
  void send(Bytes bytes);
  std::size_t unsent_bytes() const;
  void set_reading(bool on);
  const Endpoint& remote() const { return remote_; }
  bool is_cut() const { return table_.is_cut(remote_.address); }

  // The table is another one now. No callback runs inside the call.
  void look_again();
  // The owner is gone and hears nothing any more; see has_left().
  void leave();
  // Nothing is under way any more, nor held by a cut: it may be destroyed.
  bool has_left() const { return raw_ == nullptr; }

 private:
  struct Piece {
    Instant due;
    Bytes bytes;
    bool end = false;
  };
  struct Way {
    Way(Random random, Loop& loop) : lane(std::move(random)), alarm(loop) {}
    FaultyLane lane;
    std::deque<Piece> pieces;
    std::size_t bytes = 0;
    Timer alarm;
  };

  LinkFault fault(Direction direction) const;
  bool passes(const Way& way, Direction direction) const;
  void add(Way& way, const LinkFault& fault, Bytes bytes, bool end);
  void arrived(ByteView bytes);
  void ended(const Error& why);
  void pump_out();
  void pump_in();
  void arm(Way& way, Direction direction);
  void set_raw_reading();

  Loop& loop_;
  const FaultTable& table_;
  std::unique_ptr<Connection> raw_;  // null: has left
  const Endpoint remote_;
  std::function<void(ByteView)> on_bytes_;
  std::function<void(const Error&)> on_closed_;
  Way in_, out_;
  Error why_ended_;
  bool reading_ = true, raw_ended_ = false, owned_ = true;
  Lifetime lifetime_;
};

class FaultyConnection final : public Connection {
 public:
  FaultyConnection(std::shared_ptr<FaultyStream> stream,
                   std::function<void(std::shared_ptr<FaultyStream>)> keep)
      : stream_(std::move(stream)), keep_(std::move(keep)) {}
  ~FaultyConnection() override;
  void listen_to(std::function<void(ByteView)> on_bytes,
                 std::function<void(const Error&)> on_closed) override {
    stream_->listen_to(std::move(on_bytes), std::move(on_closed));
  }
  void send(Bytes bytes) override { stream_->send(std::move(bytes)); }
  std::size_t unsent_bytes() const override { return stream_->unsent_bytes(); }
  void set_reading(bool on) override { stream_->set_reading(on); }
  Endpoint remote() const override { return stream_->remote(); }

 private:
  const std::shared_ptr<FaultyStream> stream_;
  const std::function<void(std::shared_ptr<FaultyStream>)> keep_;  // until it has left
};

}  // namespace parley::runtime
