#include "runtime/rpc_server.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/mutant.h"

namespace parley::runtime {
namespace {

// Requests of one connection being served at once.
constexpr std::size_t kServedMost = 4096;
constexpr std::int64_t kRetryAfterMs = 50;
// Joining and refusing need far less. Larger answers go the other way, to who dialled us.
constexpr std::size_t kStrangersBytesMost = 1_MiB;

// One request's right to be answered, shared by the copies of its Responder.
class Ticket {
 public:
  Ticket(std::shared_ptr<RpcContext> context, std::weak_ptr<RpcLink> link,
         std::shared_ptr<std::size_t> outstanding, FrameHeader request)
      : context_(std::move(context)),
        link_(std::move(link)),
        outstanding_(std::move(outstanding)),
        request_(request) {
    ++*outstanding_;
    ++context_->metrics.serving_now;
  }
  ~Ticket() { release(); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void answer(const Result<Bytes>& outcome) {
    if (!outstanding_) return;
    release();
    const auto link = link_.lock();
    if (!link || !link->is_open()) return;
    if (outcome && outcome->size() > context_->options.frame_bytes_most()) {
      return send(*link, Error{ErrorCode::TooLarge, "the answer is over rpc.frame_bytes_most"});
    }
    send(*link, outcome);
    if (link->unsent_bytes() <= context_->options.unsent_bytes_most()) return;
    // A peer that asks and does not read what it asked for.
    context_->loop.post([link] {
      link->break_off(Error{ErrorCode::Overloaded, "the peer does not read its answers"});
    });
  }

 private:
  void release() {
    if (!outstanding_) return;
    --*std::exchange(outstanding_, nullptr);
    --context_->metrics.serving_now;
  }
  void send(RpcLink& link, const Result<Bytes>& outcome) const {
    FrameHeader header;
    header.verb = request_.verb;
    header.kind = outcome ? FrameKind::Response : FrameKind::Error;
    header.request_id = request_.request_id;
    header.cluster = context_->identity.cluster;
    link.send(header, outcome ? *outcome : encode_error(outcome.error()));
  }

  const std::shared_ptr<RpcContext> context_;
  const std::weak_ptr<RpcLink> link_;
  std::shared_ptr<std::size_t> outstanding_;  // null: answered
  const FrameHeader request_;
};

}  // namespace

Status RpcServer::listen() {
  auto listener = context_->network.listen(
      context_->listen_at, [weak = weak_from_this()](std::unique_ptr<Connection> connection) {
        if (const auto self = weak.lock()) self->on_accept(std::move(connection));
      });
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return Done{};
}

void RpcServer::serve(Verb verb, Admission admission, RpcHandler handler) {
  if (!handler) {
    services_.erase(verb);
    return;
  }
  services_[verb] = std::make_shared<const Service>(Service{admission, std::move(handler)});
}

void RpcServer::on_accept(std::unique_ptr<Connection> connection) {
  auto link = std::make_shared<RpcLink>(context_->loop, std::move(connection), *this);
  links_.emplace(link.get(), Served{link, std::make_shared<std::size_t>(0)});
  in_order_.push_back(link);
  link->start();
  link->say_hello(context_->hello(Channel::Foreground));
}

void RpcServer::on_hello(RpcLink& link) { link.take_bodies(body_bytes_most(link)); }

std::size_t RpcServer::body_bytes_most(const RpcLink& link) const {
  const std::size_t most = context_->options.frame_bytes_most();
  const ClusterId& own = context_->identity.cluster;
  const bool familiar = !own.is_nil() && link.peer().cluster == own;
  return familiar ? most : std::min(most, kStrangersBytesMost);
}

void RpcServer::on_frame(RpcLink& link, const Frame& frame, Duration waited) {
  const auto found = links_.find(&link);
  if (frame.header.kind == FrameKind::OneWay || found == links_.end()) return;
  const auto self = shared_from_this();
  if (frame.header.kind != FrameKind::Request) {
    return link.break_off(Error{ErrorCode::Unsupported, "an answer came to no request"});
  }
  const auto known = services_.find(frame.header.verb);
  // Held: the handler may replace itself.
  const auto service = known == services_.end() ? nullptr : known->second;
  const Duration remaining = remaining_of(
      frame.header.remaining_ms, PARLEY_MUTANT(expired_request_served) ? Duration{0} : waited);
  const auto admitted = admit(frame.header, service.get(), remaining, *found->second.outstanding);
  const Responder respond = responder(found->second, frame.header);
  if (!admitted) return respond(admitted.error());
  RpcRequest request;
  request.from = link.peer().node;
  request.remote = link.remote();
  request.body = frame.body;
  request.deadline = context_->loop.now() + remaining;
  request.ring_digest = frame.header.ring_digest;
  service->handler(request, respond);
}

Status RpcServer::admit(const FrameHeader& header, const Service* service, Duration remaining,
                        std::size_t outstanding) {
  if (service == nullptr) {
    return Error{ErrorCode::Unsupported, "this node does not serve the verb " +
                                             std::to_string(static_cast<unsigned>(header.verb))};
  }
  const ClusterId& own = context_->identity.cluster;
  const bool foreign =
      own.is_nil() || (header.cluster != own && !PARLEY_MUTANT(foreign_caller_served));
  if (service->admission == Admission::Members && foreign) {
    if (own.is_nil()) return Error{ErrorCode::NotReady, "this node is in no cluster yet", 200};
    if (!header.cluster.is_nil()) context_->metrics.foreign.add();
    return Error{ErrorCode::WrongCluster,
                 header.cluster.is_nil() ? "the caller is in no cluster yet"
                                         : "the caller is in another cluster: " +
                                               to_text(header.cluster) + ", not " + to_text(own)};
  }
  if (remaining <= Duration{0}) {
    context_->metrics.expired.add();
    return Error{ErrorCode::Expired, "the deadline passed before the work was begun"};
  }
  if (outstanding >= kServedMost) {
    return Error{ErrorCode::Overloaded, "too many requests of one peer are being served",
                 kRetryAfterMs};
  }
  return Done{};
}

Responder RpcServer::responder(const Served& served, const FrameHeader& header) {
  const auto ticket = std::make_shared<Ticket>(context_, served.link, served.outstanding, header);
  return [ticket](const Result<Bytes>& outcome) { ticket->answer(outcome); };
}

void RpcServer::on_down(RpcLink& link, const Error& why) {
  const auto self = shared_from_this();
  const auto gone = links_.extract(&link);
  if (gone.empty()) return;
  std::erase(in_order_, gone.mapped().link);
  if (why.code == ErrorCode::Expired) {
    context_->metrics.overdue_streams.add();
    context_->log.info("peer.overdue", {{"remote", link.remote()}, {"reason", why.message}});
  } else if (why.code != ErrorCode::NoAnswer) {
    context_->metrics.refused_streams.add();
    context_->log.warn("peer.refused", {{"remote", link.remote()}, {"reason", why.message}});
  }
  if (link.greeted()) report_broken(*context_, link, why);
}

void RpcServer::on_identity_changed() {
  const auto links = in_order_;
  for (const auto& link : links) {
    if (link->greeted()) on_hello(*link);
    link->say_hello(context_->hello(Channel::Foreground));
  }
}

void RpcServer::tend() {
  const auto links = in_order_;  // one that breaks off leaves it
  for (const auto& link : links) {
    link->tend(context_->options.silence_max(), context_->identity.cluster);
  }
}

void RpcServer::stop() {
  listener_.reset();
  for (const auto& link : std::exchange(in_order_, {})) link->close();
  links_.clear();
  const auto dropped = std::exchange(services_, {});
}

}  // namespace parley::runtime
