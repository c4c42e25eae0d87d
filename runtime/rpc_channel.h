// This node's calls to one peer endpoint over one connection that it dials itself.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/rpc_context.h"
#include "runtime/rpc_link.h"
#include "runtime/rpc_redial.h"
#include "runtime/rpc_timeouts.h"

namespace parley::runtime {

class RpcChannel final : public RpcLinkObserver, public std::enable_shared_from_this<RpcChannel> {
 public:
  RpcChannel(std::shared_ptr<RpcContext> context, std::shared_ptr<RpcTimeouts> timeouts,
             Endpoint to, Channel kind);

  using Callback = std::function<void(Result<Bytes>)>;
  // The call's number, for forget().
  std::uint64_t call(Verb verb, Bytes body, const CallOptions& options, Callback done);
  void forget(std::uint64_t id);
  void on_deadline(std::uint64_t id);
  void on_identity_changed();
  void on_peer_recovered();
  // kTendsPerSilence times per silence_max: heartbeats, silence, retries.
  void tend();
  // No callback comes after it.
  void stop();
  // Nothing would be lost by dropping it.
  bool is_idle() const;

 private:
  struct Call {
    Verb verb;
    Bytes body;  // until sent
    std::uint64_t ring_digest;
    Instant deadline;
    Callback done;
    bool admitted = false;  // else refused, and not told yet
    bool sent = false;
  };

  void on_hello(RpcLink& link) override;
  void on_frame(RpcLink& link, const Frame& frame, Duration waited) override;
  void on_down(RpcLink& link, const Error& why) override;

  // Why the call cannot be taken at all; Done when it can.
  Status admit(const Call& call) const;
  void transmit(std::uint64_t id, Call& call);
  void dial();
  void on_dialled(std::uint64_t attempt, Result<std::unique_ptr<Connection>> outcome);
  void on_dial_failed(const std::string& why);
  void finish(std::uint64_t id, Result<Bytes> outcome);
  void finish_later(std::uint64_t id, const Error& error);
  std::vector<std::uint64_t> calls_that_were(bool sent) const;

  const std::shared_ptr<RpcContext> context_;
  const std::shared_ptr<RpcTimeouts> timeouts_;
  const Endpoint to_;
  const Channel kind_;

  std::shared_ptr<RpcLink> link_;  // established, or waiting for the peer's hello
  bool dialling_ = false;          // until the peer's hello
  std::uint64_t attempt_ = 0;
  Instant dial_began_{};
  Redial redial_;
  std::string last_failure_;

  std::unordered_map<std::uint64_t, Call> calls_;
  std::size_t admitted_ = 0;         // of them; at most calls_most
  std::set<std::uint64_t> waiting_;  // not sent yet; in the order of the calls
  std::size_t waiting_bytes_ = 0;
};

}  // namespace parley::runtime
