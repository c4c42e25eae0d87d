#include "runtime/rpc_channel.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"

namespace parley::runtime {
namespace {

constexpr std::int64_t kRetryAfterMs = 100;
// A dial older than this when the peer is heard of again has probably lost its first packet, and
// the next comes a second after it: a new dial is faster.
constexpr Duration kDialFresh = 50ms;

}  // namespace

RpcChannel::RpcChannel(std::shared_ptr<RpcContext> context, std::shared_ptr<RpcTimeouts> timeouts,
                       Endpoint to, Channel kind)
    : context_(std::move(context)),
      timeouts_(std::move(timeouts)),
      to_(std::move(to)),
      kind_(kind),
      redial_(context_->options.redial_most()) {}

std::uint64_t RpcChannel::call(Verb verb, Bytes body, const CallOptions& options, Callback done) {
  const Instant now = context_->loop.now();
  const std::uint64_t id = context_->next_request_id++;
  const Instant deadline = now + std::max<Duration>(options.timeout, 1ms);
  Call& call =
      calls_
          .emplace(id, Call{verb, std::move(body), options.ring_digest, deadline, std::move(done)})
          .first->second;
  timeouts_->add(deadline, id, weak_from_this());
  // A call that is refused never waits: the hello of a dial under way could send it after all.
  if (const auto room = admit(call); !room) {
    call.body = Bytes();
    finish_later(id, room.error());
    return id;
  }
  call.admitted = true;
  ++admitted_;
  ++context_->metrics.outstanding_now;
  waiting_.insert(id);
  waiting_bytes_ += call.body.size();
  redial_.on_wanted(now);
  if (link_ && !dialling_) {
    transmit(id, call);
  } else if (!dialling_ && redial_.call_may_dial(now)) {
    dial();
  } else if (!dialling_) {
    waiting_.erase(id);
    waiting_bytes_ -= call.body.size();
    finish_later(id, Error{ErrorCode::Unreachable, last_failure_});
  }
  return id;
}

Status RpcChannel::admit(const Call& call) const {
  const RpcOptions& options = context_->options;
  if (call.body.size() > options.frame_bytes_most()) {
    return Error{ErrorCode::TooLarge, "a request of " + std::to_string(call.body.size()) +
                                          " bytes is over rpc.frame_bytes_most"};
  }
  if (admitted_ >= options.calls_most()) {
    return Error{ErrorCode::Overloaded, "too many calls to " + to_text(to_) + " are outstanding",
                 kRetryAfterMs};
  }
  const std::size_t unsent = waiting_bytes_ + (link_ ? link_->unsent_bytes() : 0);
  if (unsent > options.unsent_bytes_most()) {
    return Error{ErrorCode::Overloaded, "too many bytes wait to be sent to " + to_text(to_),
                 kRetryAfterMs};
  }
  return Done{};
}

void RpcChannel::transmit(std::uint64_t id, Call& call) {
  const Instant now = context_->loop.now();
  FrameHeader header;
  header.verb = call.verb;
  header.kind = FrameKind::Request;
  header.request_id = id;
  header.cluster = context_->identity.cluster;
  header.ring_digest = call.ring_digest;
  header.remaining_ms = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(to_millis(call.deadline - now), 1, UINT32_MAX));
  call.sent = true;
  waiting_.erase(id);
  waiting_bytes_ -= call.body.size();
  link_->send(header, std::exchange(call.body, {}));
}

void RpcChannel::forget(std::uint64_t id) {
  auto gone = calls_.extract(id);
  if (gone.empty()) return;
  const Call& call = gone.mapped();
  if (call.admitted) {
    --admitted_;
    --context_->metrics.outstanding_now;
  }
  timeouts_->remove(call.deadline, id);
  if (waiting_.erase(id) != 0) waiting_bytes_ -= call.body.size();
}

void RpcChannel::finish(std::uint64_t id, Result<Bytes> outcome) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  const Callback done = std::move(found->second.done);
  context_->metrics.count_call(found->second.verb, outcome ? "ok" : to_text(outcome.error().code));
  forget(id);
  done(std::move(outcome));
}

void RpcChannel::finish_later(std::uint64_t id, const Error& error) {
  context_->loop.post([weak = weak_from_this(), id, error] {
    if (const auto self = weak.lock()) self->finish(id, error);
  });
}

void RpcChannel::on_deadline(std::uint64_t id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  if (found->second.sent) {
    finish(id, Error{ErrorCode::NoAnswer, "no answer from " + to_text(to_) + " in time"});
  } else {
    finish(id, Error{ErrorCode::Unreachable, "no connection to " + to_text(to_) + " in time"});
  }
}

void RpcChannel::dial() {
  dialling_ = true;
  dial_began_ = context_->loop.now();
  redial_.on_attempt(dial_began_);
  context_->network.connect(context_->listen_at.address, to_, context_->options.dial_timeout(),
                            [weak = weak_from_this(), attempt = ++attempt_](auto outcome) {
                              if (const auto self = weak.lock())
                                self->on_dialled(attempt, std::move(outcome));
                            });
}

void RpcChannel::on_dialled(std::uint64_t attempt, Result<std::unique_ptr<Connection>> outcome) {
  if (!dialling_ || attempt != attempt_) return;
  if (!outcome) return on_dial_failed(outcome.error().message);
  link_ = std::make_shared<RpcLink>(context_->loop, std::move(*outcome), *this);
  link_->start();
  link_->say_hello(context_->hello(kind_));
}

void RpcChannel::on_dial_failed(const std::string& why) {
  dialling_ = false;
  if (link_) std::exchange(link_, nullptr)->close();
  redial_.on_failed(context_->loop.now());
  if (last_failure_ != why) {
    context_->log.info("peer.cannot_connect", {{"address", to_}, {"reason", why}});
  }
  last_failure_ = why;
  for (const std::uint64_t id : calls_that_were(false)) {
    finish(id, Error{ErrorCode::Unreachable, why});
  }
}

// No request leaves before the peer's hello: a stopped process accepts connections too, and what
// was never sent is provably not done.
void RpcChannel::on_hello(RpcLink& link) {
  if (&link != link_.get()) return;
  // Whom we dial we ask, and its answers may be large also before we are in its cluster.
  link.take_bodies(context_->options.frame_bytes_most());
  if (!dialling_) return;
  dialling_ = false;
  redial_.on_connected();
  last_failure_.clear();
  context_->log.debug("peer.connected", {{"node", link.peer().node}, {"address", to_}});
  for (const std::uint64_t id : calls_that_were(false)) transmit(id, calls_.at(id));
}

void RpcChannel::on_frame(RpcLink& link, const Frame& frame, Duration) {
  const auto self = shared_from_this();
  const auto kind = frame.header.kind;
  const auto found = calls_.find(frame.header.request_id);
  if (kind == FrameKind::Request) {
    link.break_off(Error{ErrorCode::Unsupported, "a request came on a connection we dialled"});
    return;
  }
  // Answers to calls that were given up are no surprise.
  if (kind == FrameKind::OneWay || found == calls_.end() || !found->second.sent) return;
  if (kind == FrameKind::Error) return finish(found->first, decode_error(frame.body));
  finish(found->first, Bytes(frame.body));
}

void RpcChannel::on_down(RpcLink& link, const Error& why) {
  if (&link != link_.get()) return;
  const auto self = shared_from_this();
  if (dialling_) {
    link_.reset();
    return on_dial_failed("cannot connect to " + to_text(to_) + ": " + why.message);
  }
  const auto broken = std::exchange(link_, nullptr);
  redial_.on_broken(context_->loop.now());
  const bool unsent = PARLEY_MUTANT(broken_peer_link_told_as_unsent);
  const ErrorCode code = unsent ? ErrorCode::Unreachable : ErrorCode::NoAnswer;
  for (const std::uint64_t id : calls_that_were(true)) {
    finish(id, Error{code, to_text(to_) + ": " + why.message});
  }
  report_broken(*context_, *broken, why);
}

void RpcChannel::on_identity_changed() {
  if (link_) link_->say_hello(context_->hello(kind_));
}

void RpcChannel::on_peer_recovered() {
  const Instant now = context_->loop.now();
  redial_.on_recovered();
  if (dialling_ && now - dial_began_ > kDialFresh) {
    if (link_) std::exchange(link_, nullptr)->close();
    return dial();
  }
  // Alive by its datagrams and silent here, for longer than between two heartbeats: a stream that a
  // partition left half open.
  const Duration silence_max = context_->options.silence_max();
  if (link_ && !dialling_ && link_->silent_for() > link_->patience(silence_max) * 2 / 3) {
    std::exchange(link_, nullptr)->close();
    for (const std::uint64_t id : calls_that_were(true)) {
      finish_later(id, Error{ErrorCode::NoAnswer, "the connection to " + to_text(to_) +
                                                      " had gone silent and was dialled anew"});
    }
  }
  if (!link_ && !dialling_ && (!waiting_.empty() || redial_.wanted_lately(now))) dial();
}

void RpcChannel::tend() {
  const auto self = shared_from_this();
  const Instant now = context_->loop.now();
  const RpcOptions& options = context_->options;
  if (dialling_) {
    // connect() keeps its own time; this is for a peer that accepts and then says nothing.
    const bool overdue = now - dial_began_ > options.dial_timeout();
    const bool we_were_away = context_->loop.lag() > options.dial_timeout() / 2;
    if (link_ && overdue && !we_were_away) {
      on_dial_failed("cannot connect to " + to_text(to_) + ": it accepts but does not answer");
    }
  } else if (link_) {
    link_->tend(options.silence_max(), context_->identity.cluster);
  } else if (redial_.retry_due(now)) {
    dial();
  }
}

void RpcChannel::stop() {
  dialling_ = false;
  ++attempt_;
  if (link_) std::exchange(link_, nullptr)->close();
  context_->metrics.outstanding_now -= std::exchange(admitted_, 0);
  waiting_.clear();
  waiting_bytes_ = 0;
  // What the callbacks own may come back here with forget(): let it find nothing.
  const auto dropped = std::exchange(calls_, {});
}

bool RpcChannel::is_idle() const {
  return calls_.empty() && !link_ && !dialling_ && !redial_.wanted_lately(context_->loop.now());
}

std::vector<std::uint64_t> RpcChannel::calls_that_were(bool sent) const {
  if (!sent) return {waiting_.begin(), waiting_.end()};
  std::vector<std::uint64_t> ids;
  for (const auto& [id, call] : calls_) {
    if (call.sent) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace parley::runtime
