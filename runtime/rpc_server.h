// Serves peers' requests on the connections that they dialled.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "runtime/rpc_context.h"
#include "runtime/rpc_link.h"

namespace parley::runtime {

class RpcServer final : public RpcLinkObserver, public std::enable_shared_from_this<RpcServer> {
 public:
  explicit RpcServer(std::shared_ptr<RpcContext> context) : context_(std::move(context)) {}

  // Error InvalidArgument when the address cannot be bound.
  Status listen();
  void serve(Verb verb, Admission admission, RpcHandler handler);
  void on_identity_changed();
  void tend();
  // No callback and no handler comes after it.
  void stop();

 private:
  struct Service {
    Admission admission;
    RpcHandler handler;
  };
  struct Served {
    std::shared_ptr<RpcLink> link;
    std::shared_ptr<std::size_t> outstanding;  // requests whose handler has not answered yet
  };

  void on_accept(std::unique_ptr<Connection> connection);
  void on_hello(RpcLink& link) override;
  void on_frame(RpcLink& link, const Frame& frame, Duration waited) override;
  void on_down(RpcLink& link, const Error& why) override;

  // What this peer may send: little until it has said our cluster's id.
  std::size_t body_bytes_most(const RpcLink& link) const;
  // Why this request is not given to its handler; Done when it is.
  Status admit(const FrameHeader& header, const Service* service, Duration remaining,
               std::size_t outstanding);
  Responder responder(const Served& served, const FrameHeader& header);

  const std::shared_ptr<RpcContext> context_;
  std::unique_ptr<Listener> listener_;
  std::map<Verb, std::shared_ptr<const Service>> services_;
  std::unordered_map<const RpcLink*, Served> links_;
  // The same in the order of acceptance: that of the map is chance, and what is sent must not be.
  std::vector<std::shared_ptr<RpcLink>> in_order_;
};

}  // namespace parley::runtime
