#include "runtime/rpc_link.h"

#include <utility>

#include "base/check.h"

namespace parley::runtime {

RpcLink::RpcLink(Loop& loop, std::unique_ptr<Connection> connection, std::size_t body_bytes_most,
                 RpcLinkObserver& observer)
    : loop_(loop),
      connection_(std::move(connection)),
      body_bytes_most_(body_bytes_most),
      observer_(observer),
      remote_(connection_->remote()),
      opened_at_(loop.now()),
      last_received_(opened_at_),
      last_sent_(opened_at_) {}

void RpcLink::start() {
  // The connection dies with the link, so its callbacks never find the link gone.
  connection_->listen_to([this](ByteView bytes) { on_bytes(bytes); },
                         [this](const Error& why) { break_off(why); });
}

void RpcLink::say_hello(const Hello& own) {
  FrameHeader header;
  header.verb = Verb::Hello;
  header.cluster = own.cluster;
  send(header, encode_hello(own));
}

void RpcLink::send(FrameHeader header, ByteView body) {
  if (!connection_) return;
  last_sent_ = loop_.now();
  header.sent_ms = travelling_ms(last_sent_);
  connection_->send(encode_frame(header, body));
}

void RpcLink::break_off(const Error& why) {
  if (!connection_) return;
  const auto self = shared_from_this();
  connection_.reset();
  observer_.on_down(*this, why);
}

void RpcLink::tend(Duration silence_max, const ClusterId& cluster) {
  const Instant now = loop_.now();
  const bool greeting_overdue = !greeted_ && now - opened_at_ > silence_max;
  // When this very process was away, the peer's words may still be on their way to us.
  const bool we_were_away = loop_.lag() > silence_max / 4;
  if (!we_were_away && (silent_for() > silence_max || greeting_overdue)) {
    return break_off(Error{ErrorCode::NoAnswer, "the peer was silent for too long"});
  }
  if (now - last_sent_ < silence_max / 3) return;
  FrameHeader header;
  header.cluster = cluster;
  send(header, {});
}

void RpcLink::on_bytes(ByteView bytes) {
  const auto self = shared_from_this();
  last_received_ = loop_.now();
  decoder_.feed(bytes);
  while (connection_) {
    const auto frame = decoder_.next();
    if (!frame) return break_off(frame.error());
    if (!*frame) return;
    on_frame(**frame);
  }
}

void RpcLink::on_frame(const Frame& frame) {
  const Duration waited = transit_.waited(last_received_, frame.header.sent_ms);
  if (frame.header.verb == Verb::Hello) return on_hello(frame);
  if (!greeted_) {
    return break_off(Error{ErrorCode::Unsupported, "the first frame was no hello"});
  }
  if (frame.header.verb == Verb::Heartbeat) return;
  observer_.on_frame(*this, frame, waited);
}

void RpcLink::on_hello(const Frame& frame) {
  auto hello = decode_hello(frame.body);
  if (!hello) return break_off(hello.error());
  if (greeted_ && hello->node != peer_.node) {
    return break_off(Error{ErrorCode::Refused, "the peer changed its identity"});
  }
  peer_ = std::move(*hello);
  greeted_ = true;
  decoder_.set_body_bytes_most(body_bytes_most_);
  observer_.on_hello(*this);
}

}  // namespace parley::runtime
