#include "runtime/faulty_network.h"

#include <algorithm>
#include <map>
#include <utility>

#include "runtime/faulty_stream.h"

namespace parley::runtime {
namespace {

// Nobody at the other end remembers a stream for longer; see has_left().
constexpr Duration kLeavingTime = 60s;
// A router's queue before a narrow line is no longer.
constexpr Duration kBacklogMost = 1s;

// One direction's lanes, of each peer its own: a limit is on each link, not on all together.
class PeerLanes {
 public:
  static constexpr std::size_t kPeersMost = 1024;

  explicit PeerLanes(Random random) : random_(std::move(random)), common_(random_.fork("common")) {}
  FaultyLane& of(const std::string& peer) {
    const auto found = lanes_.find(peer);
    if (found != lanes_.end()) return found->second;
    if (lanes_.size() >= kPeersMost) return common_;
    return lanes_.emplace(peer, FaultyLane(random_.fork(peer))).first->second;
  }

 private:
  Random random_;
  FaultyLane common_;  // for peers past the most
  std::map<std::string, FaultyLane> lanes_;
};

}  // namespace

// One bound socket. What is on its way dies with it.
class FaultySocket final : public DatagramSocket {
 public:
  FaultySocket(FaultyNetwork& network, Random random,
               std::function<void(const Endpoint& from, ByteView)> on_datagram)
      : network_(network),
        on_datagram_(std::move(on_datagram)),
        out_(random.fork("out")),
        in_(random.fork("in")) {}
  ~FaultySocket() override { network_.datagrams_held_ -= held_; }

  void bound(std::unique_ptr<DatagramSocket> raw) { raw_ = std::move(raw); }

  bool send(const Endpoint& to, ByteView payload) override {
    const LinkFault fault = fault_of(to, Direction::Out);
    if (fault.at_rest()) return raw_->send(to, payload);
    travel(to, Direction::Out, fault, payload,
           [this, to](const Bytes& bytes) { raw_->send(to, bytes); });
    return true;
  }
  void arrived(const Endpoint& from, ByteView payload) {
    const LinkFault fault = fault_of(from, Direction::In);
    if (fault.at_rest()) return on_datagram_(from, payload);
    travel(from, Direction::In, fault, payload,
           [this, from](const Bytes& bytes) { on_datagram_(from, bytes); });
  }

 private:
  LinkFault fault_of(const Endpoint& peer, Direction direction) const {
    return network_.table_.link(peer.address, direction, Traffic::Gossip);
  }
  void travel(const Endpoint& peer, Direction direction, const LinkFault& fault, ByteView payload,
              const std::function<void(const Bytes&)>& deliver) {
    FaultyLane& lane = (direction == Direction::Out ? out_ : in_).of(peer.address);
    if (fault.cut || lane.chance(fault.drop)) return;
    const int copies = lane.chance(fault.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (network_.datagrams_held_ >= FaultyNetwork::kDatagramsMost) return;
      if (fault.bytes_per_second > 0 && lane.backlog(network_.loop_.now()) > kBacklogMost) return;
      Bytes bytes(payload);
      lane.maybe_corrupt(fault, bytes);
      const Instant due = lane.datagram_due(fault, bytes.size(), network_.loop_.now());
      ++network_.datagrams_held_;
      ++held_;
      network_.loop_.start_timer(
          due, lifetime_.guard([this, peer, direction, deliver, bytes = std::move(bytes)] {
            --network_.datagrams_held_;
            --held_;
            if (!fault_of(peer, direction).cut) deliver(bytes);
          }));
    }
  }

  FaultyNetwork& network_;
  std::unique_ptr<DatagramSocket> raw_;
  const std::function<void(const Endpoint& from, ByteView)> on_datagram_;
  PeerLanes out_, in_;
  std::size_t held_ = 0;
  Lifetime lifetime_;
};

FaultyNetwork::FaultyNetwork(Network& wire, Loop& loop, const FaultTable& table, Random random)
    : wire_(wire), loop_(loop), table_(table), random_(std::move(random)) {}

FaultyNetwork::~FaultyNetwork() = default;

std::unique_ptr<Connection> FaultyNetwork::wrap(std::unique_ptr<Connection> raw) {
  auto stream =
      std::make_shared<FaultyStream>(std::move(raw), loop_, table_, random_.fork("stream"));
  std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
  streams_.push_back(stream);
  return std::make_unique<FaultyConnection>(
      std::move(stream), lifetime_.guard([this](std::shared_ptr<FaultyStream> leaving) {
        keep_leaving(std::move(leaving));
      }));
}

void FaultyNetwork::keep_leaving(std::shared_ptr<FaultyStream> stream) {
  std::erase_if(leaving_, [](const auto& one) { return one->has_left(); });
  if (leaving_.size() >= kLeavingMost) leaving_.pop_front();
  loop_.start_timer(loop_.now() + kLeavingTime,
                    lifetime_.guard([this, weak = std::weak_ptr<FaultyStream>(stream)] {
                      const auto gone = weak.lock();
                      std::erase(leaving_, gone);
                    }));
  leaving_.push_back(std::move(stream));
  std::size_t unsent = 0;
  for (const auto& one : leaving_) unsent += one->unsent_bytes();
  while (unsent > kLeavingBytesMost) {
    unsent -= leaving_.front()->unsent_bytes();
    leaving_.pop_front();
  }
}

void FaultyNetwork::table_changed() {
  for (const auto& weak : streams_) {
    if (const auto stream = weak.lock()) stream->look_again();
  }
}

Result<std::unique_ptr<Listener>> FaultyNetwork::listen(
    const Endpoint& at, std::function<void(std::unique_ptr<Connection>)> on_accept) {
  return wire_.listen(
      at,
      lifetime_.guard([this, on_accept = std::move(on_accept)](std::unique_ptr<Connection> raw) {
        const bool cut = table_.is_cut(raw->remote().address);
        auto connection = wrap(std::move(raw));
        if (!cut) return on_accept(std::move(connection));
        // The dialler's kernel takes it for made: it hears nothing on it, and its end when the cut
        // is.
        connection->listen_to([](ByteView) {}, [](const Error&) {});
        connection->set_reading(false);
      }));
}

void FaultyNetwork::connect(const std::string& local_address, const Endpoint& to, Duration timeout,
                            std::function<void(Result<std::unique_ptr<Connection>>)> done) {
  const LinkFault there = table_.link(to.address, Direction::Out, Traffic::Peer);
  const LinkFault back = table_.link(to.address, Direction::In, Traffic::Peer);
  const Instant now = loop_.now();
  Duration wait{0};
  if (!there.at_rest() || !back.at_rest()) {
    // A greeting each way before the stream is there.
    FaultyLane lane(random_.fork("dial"));
    wait = lane.piece_due(there, 0, now) - now + (lane.piece_due(back, 0, now) - now);
  }
  if (there.cut || back.cut || wait >= timeout) {
    loop_.start_timer(now + timeout, lifetime_.guard([to, done = std::move(done)] {
      done(Error{ErrorCode::Unreachable, "cannot connect to " + to_text(to) + ": timed out"});
    }));
    return;
  }
  const auto dial = [this, local_address, to, rest = timeout - wait, done = std::move(done)] {
    wire_.connect(local_address, to, rest,
                  lifetime_.guard([this, done](Result<std::unique_ptr<Connection>> raw) {
                    if (!raw) return done(raw.error());
                    done(wrap(std::move(*raw)));
                  }));
  };
  if (wait == 0ns) return dial();
  loop_.start_timer(now + wait, lifetime_.guard(dial));
}

Result<std::unique_ptr<DatagramSocket>> FaultyNetwork::bind_datagrams(
    const Endpoint& at, std::function<void(const Endpoint& from, ByteView)> on_datagram) {
  auto socket =
      std::make_unique<FaultySocket>(*this, random_.fork("socket"), std::move(on_datagram));
  auto raw =
      wire_.bind_datagrams(at, [raw_socket = socket.get()](const Endpoint& from, ByteView payload) {
        raw_socket->arrived(from, payload);
      });
  if (!raw.ok()) return raw.error();
  socket->bound(std::move(*raw));
  return std::unique_ptr<DatagramSocket>(std::move(socket));
}

}  // namespace parley::runtime
