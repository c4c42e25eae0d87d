#include "runtime/rpc_link.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace parley::runtime {

RpcLink::RpcLink(Loop& loop, std::unique_ptr<Connection> connection, RpcLinkObserver& observer)
    : loop_(loop),
      connection_(std::move(connection)),
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
  if (const Status fine = check_patience(now, silence_max); !fine) {
    // When this very process was away, the peer's words may still be on their way to us.
    const bool we_were_away = loop_.lag() > silence_max / 4;
    if (!we_were_away) return break_off(fine.error());
  }
  // Of the moments at which this is called the nearest one, a little early or late.
  const Duration rounding = silence_max / (2 * kTendsPerSilence);
  if (now - last_sent_ < patience(silence_max) / 2 - rounding) return;
  FrameHeader header;
  header.cluster = cluster;
  send(header, {});
}

Status RpcLink::check_patience(Instant now, Duration silence_max) const {
  if (!greeted_ && now - opened_at_ > std::min(silence_max, kHelloPatience)) {
    return Error{ErrorCode::Expired, "the peer did not say who it is"};
  }
  if (now - last_received_ > patience(silence_max)) {
    return Error{ErrorCode::NoAnswer, "the peer was silent for too long"};
  }
  if (unfinished_since_ && now - *unfinished_since_ > kFramePatience &&
      !PARLEY_MUTANT(frame_may_never_end)) {
    return Error{ErrorCode::Expired, "the peer did not finish a frame"};
  }
  return Done{};
}

void RpcLink::on_bytes(ByteView bytes) {
  const auto self = shared_from_this();
  last_received_ = loop_.now();
  decoder_.feed(bytes);
  bool one_ended = false;
  while (connection_) {
    const auto frame = decoder_.next();
    if (!frame) return break_off(frame.error());
    if (!*frame) break;
    one_ended = true;
    on_frame(**frame);
  }
  if (decoder_.between_frames()) {
    unfinished_since_.reset();
  } else if (one_ended || !unfinished_since_) {
    unfinished_since_ = last_received_;
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
  observer_.on_hello(*this);
}

}  // namespace parley::runtime
