#include "runtime/rpc.h"

#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "runtime/rpc_channel.h"
#include "runtime/rpc_context.h"
#include "runtime/rpc_server.h"
#include "runtime/rpc_timeouts.h"

namespace parley::runtime {
namespace {

class CallTicket final : public PendingCall {
 public:
  CallTicket(std::weak_ptr<RpcChannel> channel, std::uint64_t id)
      : channel_(std::move(channel)), id_(id) {}
  ~CallTicket() override {
    if (const auto channel = channel_.lock()) channel->forget(id_);
  }

 private:
  std::weak_ptr<RpcChannel> channel_;
  std::uint64_t id_;
};

class FramedRpc final : public Rpc {
 public:
  explicit FramedRpc(const std::shared_ptr<RpcContext>& context)
      : context_(context),
        timeouts_(std::make_shared<RpcTimeouts>(context->loop)),
        server_(std::make_shared<RpcServer>(context)),
        sweep_(context->loop) {}
  ~FramedRpc() override {
    context_->on_peer_broken = nullptr;
    sweep_.cancel();
    server_->stop();
    for (const auto& [key, channel] : std::exchange(channels_, {})) channel->stop();
    timeouts_->stop();
  }

  Status start() {
    if (const auto listening = server_->listen(); !listening) return listening;
    schedule_sweep();
    return Done{};
  }

  CallHandle call(const Endpoint& to, Verb verb, Bytes body, const CallOptions& options,
                  std::function<void(Result<Bytes>)> done) override {
    auto& channel = channels_[{to, options.channel}];
    if (!channel) {
      channel = std::make_shared<RpcChannel>(context_, timeouts_, to, options.channel);
    }
    const std::uint64_t id = channel->call(verb, std::move(body), options, std::move(done));
    return std::make_unique<CallTicket>(channel, id);
  }

  void serve(Verb verb, Admission admission, RpcHandler handler) override {
    server_->serve(verb, admission, std::move(handler));
  }

  void set_identity(const RpcIdentity& identity) override {
    context_->identity = identity;
    server_->on_identity_changed();
    for (const auto& [key, channel] : channels_) channel->on_identity_changed();
  }

  void peer_recovered(const Endpoint& peer) override {
    for (const auto kind : {Channel::Foreground, Channel::Bulk}) {
      const auto found = channels_.find({peer, kind});
      if (found != channels_.end()) found->second->on_peer_recovered();
    }
  }

  void on_peer_broken(std::function<void(NodeId, const Endpoint&)> observer) override {
    PARLEY_CHECK(!context_->on_peer_broken);
    context_->on_peer_broken = std::move(observer);
  }

 private:
  void schedule_sweep() {
    sweep_.after(context_->options.silence_max() / kTendsPerSilence, [this] { sweep(); });
  }

  void sweep() {
    schedule_sweep();
    std::erase_if(channels_, [](const auto& entry) { return entry.second->is_idle(); });
    // What follows may call back and so destroy this object: it uses copies only.
    const auto server = server_;
    std::vector<std::shared_ptr<RpcChannel>> channels;
    channels.reserve(channels_.size());
    for (const auto& [key, channel] : channels_) channels.push_back(channel);
    for (const auto& channel : channels) channel->tend();
    server->tend();
  }

  const std::shared_ptr<RpcContext> context_;
  const std::shared_ptr<RpcTimeouts> timeouts_;
  const std::shared_ptr<RpcServer> server_;
  std::map<std::pair<Endpoint, Channel>, std::shared_ptr<RpcChannel>> channels_;
  Timer sweep_;
};

}  // namespace

Result<std::unique_ptr<Rpc>> make_rpc(const RpcOptions& options, const RpcIdentity& identity,
                                      const Endpoint& listen_at, Loop& loop, Network& network,
                                      Logger log, MetricRegistry& metrics) {
  auto rpc = std::make_unique<FramedRpc>(
      std::make_shared<RpcContext>(options, identity, listen_at, loop, network, log, metrics));
  if (const auto started = rpc->start(); !started) return started.error();
  return std::unique_ptr<Rpc>(std::move(rpc));
}

}  // namespace parley::runtime
