#include "runtime/faulty_stream.h"

#include <utility>

namespace parley::runtime {
namespace {

// Past this much held on its way in, the kernel keeps the rest.
constexpr std::size_t kHeldInMost = 256_KiB;

}  // namespace

FaultyStream::FaultyStream(std::unique_ptr<Connection> raw, Loop& loop, const FaultTable& table,
                           Random random)
    : loop_(loop),
      table_(table),
      raw_(std::move(raw)),
      remote_(raw_->remote()),
      in_(random.fork("in"), loop),
      out_(std::move(random), loop) {}

LinkFault FaultyStream::fault(Direction direction) const {
  return table_.link(remote_.address, direction, Traffic::Peer);
}

void FaultyStream::listen_to(std::function<void(ByteView)> on_bytes,
                             std::function<void(const Error&)> on_closed) {
  on_bytes_ = std::move(on_bytes);
  on_closed_ = std::move(on_closed);
  raw_->listen_to(lifetime_.guard([this](ByteView bytes) { arrived(bytes); }),
                  lifetime_.guard([this](const Error& why) { ended(why); }));
}

void FaultyStream::add(Way& way, const LinkFault& fault, Bytes bytes, bool end) {
  way.lane.maybe_corrupt(fault, bytes);
  const Instant due = way.lane.piece_due(fault, bytes.size(), loop_.now());
  way.bytes += bytes.size();
  way.pieces.push_back({due, std::move(bytes), end});
}

void FaultyStream::send(Bytes bytes) {
  if (raw_ended_ || bytes.empty()) return;
  const LinkFault out = fault(Direction::Out);
  if (out.at_rest() && out_.pieces.empty()) return raw_->send(std::move(bytes));
  add(out_, out, std::move(bytes), false);
  arm(out_, Direction::Out);
}

std::size_t FaultyStream::unsent_bytes() const {
  return out_.bytes + (raw_ended_ ? 0 : raw_->unsent_bytes());
}

void FaultyStream::set_reading(bool on) {
  reading_ = on;
  set_raw_reading();
  if (on) loop_.post(lifetime_.guard([this] { pump_in(); }));
}

void FaultyStream::set_raw_reading() {
  if (raw_ && !raw_ended_) raw_->set_reading(owned_ && reading_ && in_.bytes < kHeldInMost);
}

void FaultyStream::arrived(ByteView bytes) {
  if (!owned_) return;
  const LinkFault in = fault(Direction::In);
  if (in.at_rest() && in_.pieces.empty() && reading_) {
    const auto self = shared_from_this();
    return on_bytes_(bytes);
  }
  add(in_, in, Bytes(bytes), false);
  set_raw_reading();
  arm(in_, Direction::In);
}

void FaultyStream::ended(const Error& why) {
  raw_ended_ = true;
  why_ended_ = why;
  out_.pieces.clear();
  out_.bytes = 0;
  if (!owned_) {
    raw_.reset();
    return;
  }
  add(in_, fault(Direction::In), {}, true);
  const auto self = shared_from_this();
  pump_in();
}

bool FaultyStream::passes(const Way& way, Direction direction) const {
  if (way.pieces.empty()) return false;
  const LinkFault now = fault(direction);
  return now.at_rest() || (!now.cut && way.pieces.front().due <= loop_.now());
}

void FaultyStream::arm(Way& way, Direction direction) {
  const LinkFault now = fault(direction);
  // A cut one waits for the table to change; one that is sound again waits for nothing.
  if (way.pieces.empty() || now.cut) return way.alarm.cancel();
  const Instant due = now.at_rest() ? loop_.now() : way.pieces.front().due;
  way.alarm.at(due, lifetime_.guard([this, direction] {
    const auto self = shared_from_this();
    direction == Direction::Out ? pump_out() : pump_in();
  }));
}

void FaultyStream::pump_out() {
  while (raw_ && !raw_ended_ && passes(out_, Direction::Out)) {
    Piece piece = std::move(out_.pieces.front());
    out_.pieces.pop_front();
    out_.bytes -= piece.bytes.size();
    raw_->send(std::move(piece.bytes));
  }
  if (!owned_ && out_.pieces.empty() && !is_cut()) {
    raw_.reset();
    return;
  }
  arm(out_, Direction::Out);
}

void FaultyStream::pump_in() {
  const auto self = shared_from_this();
  while (owned_ && reading_ && passes(in_, Direction::In)) {
    const Piece piece = std::move(in_.pieces.front());
    in_.pieces.pop_front();
    in_.bytes -= piece.bytes.size();
    if (piece.end) return on_closed_(why_ended_);
    on_bytes_(piece.bytes);
  }
  if (!owned_) return;
  set_raw_reading();
  if (reading_) arm(in_, Direction::In);
}

void FaultyStream::look_again() {
  if (fault(Direction::Out).at_rest()) out_.lane.forget();
  if (fault(Direction::In).at_rest()) in_.lane.forget();
  loop_.post(lifetime_.guard([this] {
    const auto self = shared_from_this();
    if (raw_) pump_out();
    if (owned_) pump_in();
  }));
}

void FaultyStream::leave() {
  owned_ = false;
  in_.alarm.cancel();
  in_.pieces.clear();
  if (raw_ended_ || (out_.pieces.empty() && !is_cut())) {
    raw_.reset();
    return;
  }
  set_raw_reading();
}

FaultyConnection::~FaultyConnection() {
  stream_->leave();
  if (!stream_->has_left()) keep_(stream_);
}

}  // namespace parley::runtime
