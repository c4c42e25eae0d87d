// One peer connection with frames on it: hello in both directions, heartbeats, silence, damage.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "runtime/frame.h"
#include "runtime/loop.h"
#include "runtime/network.h"
#include "runtime/rpc_deadline.h"
#include "runtime/rpc_message.h"

namespace parley::runtime {

class RpcLink;

inline constexpr int kTendsPerSilence = 12;

// Whatever silence is allowed: how long the hello may take, and any one frame from its first byte.
inline constexpr Duration kHelloPatience = 10s;
inline constexpr Duration kFramePatience = 30s;

class RpcLinkObserver {
 public:
  virtual ~RpcLinkObserver() = default;
  // Who is at the other end; the first time before any other frame.
  virtual void on_hello(RpcLink& link) = 0;
  // Neither a hello nor a heartbeat. `waited`: how long the frame lay in buffers.
  virtual void on_frame(RpcLink& link, const Frame& frame, Duration waited) = 0;
  // Once, and nothing after it. Not after close().
  virtual void on_down(RpcLink& link, const Error& why) = 0;
};

// The observer may close() or drop the link in any callback. It outlives the link's open life.
class RpcLink : public std::enable_shared_from_this<RpcLink> {
 public:
  RpcLink(Loop& loop, std::unique_ptr<Connection> connection, RpcLinkObserver& observer);

  // Begins reading and says `own`; again whenever it has changed.
  void start();
  void say_hello(const Hello& own);
  // From the next frame on. Before the hello it is kHelloBytesMost; on_hello() must raise it.
  void take_bodies(std::size_t bytes_most) { decoder_.set_body_bytes_most(bytes_most); }
  // Fills in sent_ms.
  void send(FrameHeader header, ByteView body);
  // No callback comes after it.
  void close() { connection_.reset(); }
  // As if the peer had gone.
  void break_off(const Error& why);
  // Sends a heartbeat when idle for half of patience(), breaks off when the peer was silent for
  // longer than that (NoAnswer), does not say who it is or finish a frame (Expired). Expects to be
  // called kTendsPerSilence times per `silence_max`, which is our own.
  void tend(Duration silence_max, const ClusterId& cluster);

  // The longer one of both ends': each knows the other's from its hello, waits for so long, and
  // speaks within half of it.
  Duration patience(Duration silence_max) const { return std::max(silence_max, peer_.silence_max); }

  bool is_open() const { return connection_ != nullptr; }
  bool greeted() const { return greeted_; }
  const Hello& peer() const { return peer_; }
  Endpoint remote() const { return remote_; }
  Duration silent_for() const { return loop_.now() - last_received_; }
  std::size_t unsent_bytes() const { return connection_ ? connection_->unsent_bytes() : 0; }

 private:
  void on_bytes(ByteView bytes);
  Status check_patience(Instant now, Duration silence_max) const;
  void on_frame(const Frame& frame);
  void on_hello(const Frame& frame);

  Loop& loop_;
  std::unique_ptr<Connection> connection_;  // null: closed
  RpcLinkObserver& observer_;
  const Endpoint remote_;
  FrameDecoder decoder_{kHelloBytesMost};
  TransitMeter transit_;
  Hello peer_;
  bool greeted_ = false;
  Instant opened_at_, last_received_, last_sent_;
  std::optional<Instant> unfinished_since_;  // the first bytes of a frame that is not whole yet
};

}  // namespace parley::runtime
