// Request and response between nodes over framed streams (docs/protocol.md).
//
// Per peer endpoint one foreground and one bulk connection, dialled on demand from this node's own
// listen address, kept alive by heartbeats, dropped after 3 s of silence, redialled with back-off.
// What one turn produces for a peer leaves in one write. Every frame carries the cluster id, the
// sender's ring digest, the remaining milliseconds of its deadline and checksums of header and
// body. A request whose deadline has passed (time spent in socket buffers while this process was
// stopped included) is dropped before its handler runs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/option.h"
#include "base/result.h"
#include "runtime/loop.h"
#include "runtime/network.h"
#include "runtime/verb.h"

namespace parley::runtime {

enum class Channel : std::uint8_t { Foreground, Bulk };

struct RpcOptions : OptionGroup {
  RpcOptions() : OptionGroup("rpc") {}
  DurationOption silence_max{
      *this,
      "silence_max",
      3s,
      {500ms, 60s},
      "A peer connection without a byte for this long, or for the peer's own if longer, "
      "is dropped."};
  DurationOption dial_timeout{*this,
                              "dial_timeout",
                              1s,
                              {50ms, 30s},
                              "How long one attempt to connect to a peer may take."};
  DurationOption redial_most{*this,
                             "redial_most",
                             2s,
                             {50ms, 60s},
                             "Longest pause between two attempts to connect to a peer."};
  CountOption frame_bytes_most{*this,
                               "frame_bytes_most",
                               32_MiB,
                               {64_KiB, 64_MiB},
                               "Larger frames are refused unread and the connection dropped."};
  CountOption unsent_bytes_most{*this,
                                "unsent_bytes_most",
                                64_MiB,
                                {1_MiB, 1024_MiB},
                                "Past this many unsent bytes to one peer, new calls fail."};
  CountOption calls_most{
      *this,
      "calls_most",
      16384,
      {16, 1048576},
      "Outstanding calls to one peer on each of the two connections to it; past it new "
      "calls are overloaded."};
};

// Who this node is towards peers. The cluster is nil until the node has founded or joined one.
struct RpcIdentity {
  NodeId node;
  Generation generation = 0;
  ClusterId cluster;
  std::string cluster_name;
};

struct CallOptions {
  Duration timeout = 1s;
  Channel channel = Channel::Foreground;
  std::uint64_t ring_digest = 0;  // of the ring the request's plan was made from; 0: no plan
};

struct RpcRequest {
  NodeId from;  // as said in the connection's hello
  Endpoint remote;
  ByteView body;  // only during the handler call
  Instant deadline;
  std::uint64_t ring_digest = 0;
};

// Copyable; call it at most once, in this turn or later, also after the connection is gone (then
// it does nothing). A handler that never answers lets the caller run into its deadline.
using Responder = std::function<void(Result<Bytes>)>;
using RpcHandler = std::function<void(const RpcRequest&, Responder)>;

// Destroying it (or cancel()) drops the callback; the request may still be executed.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
};
using CallHandle = std::unique_ptr<PendingCall>;

enum class Admission : std::uint8_t { Members, Strangers };  // Strangers: nil cluster id is served

class Rpc {
 public:
  virtual ~Rpc() = default;

  // `done` comes exactly once unless the handle is destroyed, never inside the call.
  // Errors: Unreachable (provably nothing sent: no connection could be made), NoAnswer (sent, but
  // no answer before the timeout or the connection broke), Overloaded (here or there), or the
  // callee's own error code and message. Keep the handle for as long as you want the answer.
  [[nodiscard]] virtual CallHandle call(const Endpoint& to, Verb verb, Bytes body,
                                        const CallOptions& options,
                                        std::function<void(Result<Bytes>)> done) = 0;

  // One handler per verb, for the life of the Rpc or until it is replaced by nullptr.
  virtual void serve(Verb verb, Admission admission, RpcHandler handler) = 0;

  // Founding or joining a cluster; open connections are redone.
  virtual void set_identity(const RpcIdentity& identity) = 0;

  // SWIM heard from this peer again: forget the back-off and dial at once if calls wait.
  virtual void peer_recovered(const Endpoint& peer) = 0;

  // Called when an established connection to or from a peer breaks, with the node at its end: a
  // reason to probe it now. Set once.
  virtual void on_peer_broken(std::function<void(NodeId, const Endpoint&)> observer) = 0;
};

// `listen_at` is served too; error InvalidArgument when it cannot be bound.
Result<std::unique_ptr<Rpc>> make_rpc(const RpcOptions& options, const RpcIdentity& identity,
                                      const Endpoint& listen_at, Loop& loop, Network& network,
                                      Logger log, MetricRegistry& metrics);

}  // namespace parley::runtime
