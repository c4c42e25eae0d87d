#include "runtime/frame.h"

#include <vector>

#include "base/random.h"
#include "runtime/rpc_deadline.h"
#include "runtime/rpc_message.h"
#include "runtime/rpc_redial.h"
#include "runtime/timer_queue.h"
#include "tests/catch.h"

using namespace parley;
using namespace parley::runtime;

namespace {

FrameHeader some_header(Random& random) {
  FrameHeader header;
  header.verb = static_cast<Verb>(random.below(65536));
  header.kind = static_cast<FrameKind>(1 + random.below(4));
  header.request_id = random.next();
  header.cluster = random.id<ClusterId>();
  header.ring_digest = random.next();
  header.ring_epoch = random.next();
  header.remaining_ms = static_cast<std::uint32_t>(random.next());
  header.sent_ms = static_cast<std::uint32_t>(random.next());
  return header;
}

Bytes some_body(Random& random, std::uint64_t most) {
  Bytes body(random.below(most + 1), '\0');
  for (char& c : body) c = static_cast<char>(random.next());
  return body;
}

// What a decoder makes of the bytes: frames until it wants more or fails.
struct Decoded {
  std::vector<std::pair<FrameHeader, Bytes>> frames;
  bool failed = false;
};
void drain(FrameDecoder& decoder, Decoded& out) {
  while (!out.failed) {
    const auto next = decoder.next();
    out.failed = !next;
    if (!next || !*next) return;
    CHECK(reinterpret_cast<std::uintptr_t>((*next)->body.data()) % 8 == 0);
    out.frames.emplace_back((*next)->header, Bytes((*next)->body));
  }
}

}  // namespace

TEST_CASE("frame: golden bytes") {
  FrameHeader header;
  header.verb = Verb::StoreCopy;
  header.kind = FrameKind::Request;
  header.request_id = 0x0102030405060708;
  for (std::uint8_t i = 0; i < 16; ++i)
    header.cluster.octets[i] = static_cast<std::uint8_t>(0xa0 + i);
  header.ring_digest = 0x1112131415161718;
  header.remaining_ms = 1500;
  header.sent_ms = 0xfffffffe;
  CHECK(to_hex(encode_frame(header, "hello")) ==
        "050000002100b1c50807060504030201a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
        "18171615141312110000000000000000dc050000feffffff58f2c5804297dbb1"
        "4ff6ef19ce3af6cc68656c6c6f000000");
  CHECK(to_hex(encode_frame(FrameHeader{}, "")) ==
        "000000000200b4c5000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000003dbd0defd1c66f8d"
        "bf2780fd200e1887");
}

TEST_CASE("frame: any split of a stream gives the same frames, each body on a word") {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::pair<FrameHeader, Bytes>> sent;
    Bytes stream;
    for (std::uint64_t i = random.below(6); i > 0; --i) {
      sent.emplace_back(some_header(random), some_body(random, 300));
      stream += encode_frame(sent.back().first, sent.back().second);
    }
    FrameDecoder decoder(300);
    Decoded decoded;
    for (ByteView rest = stream; !rest.empty();) {
      const auto take = 1 + random.below(rest.size());
      decoder.feed(rest.substr(0, take));
      rest.remove_prefix(take);
      drain(decoder, decoded);
    }
    CHECK_FALSE(decoded.failed);
    CHECK(decoded.frames == sent);
  }
}

TEST_CASE("frame: any flipped bit is detected") {
  Random random(2);
  for (const std::uint64_t most : {0U, 1U, 9U, 300U}) {
    const FrameHeader header = some_header(random);
    const Bytes frame = encode_frame(header, some_body(random, most));
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      Bytes damaged = frame;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      FrameDecoder decoder(1024);
      decoder.feed(damaged);
      Decoded decoded;
      drain(decoder, decoded);
      CHECK(decoded.frames.empty());
      CHECK(decoded.failed);
    }
  }
}

TEST_CASE("frame: a flipped bit in the header is detected before any body is waited for") {
  Random random(5);
  const Bytes frame = encode_frame(some_header(random), some_body(random, 300));
  // The header's last word is the body's checksum.
  for (std::size_t bit = 0; bit < (kFrameHeaderBytes - 8) * 8; ++bit) {
    Bytes damaged = frame.substr(0, kFrameHeaderBytes);
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    FrameDecoder decoder(UINT32_MAX);
    decoder.feed(damaged);
    CHECK_FALSE(decoder.next());
  }
}

TEST_CASE("frame: truncated input never gives a frame") {
  Random random(3);
  const Bytes frame = encode_frame(some_header(random), some_body(random, 100));
  for (std::size_t length = 0; length < frame.size(); ++length) {
    FrameDecoder decoder(1024);
    decoder.feed(ByteView(frame).substr(0, length));
    Decoded decoded;
    drain(decoder, decoded);
    CHECK(decoded.frames.empty());
    CHECK_FALSE(decoded.failed);
  }
}

TEST_CASE("frame: the memory of a large frame goes with the bytes after it") {
  FrameDecoder decoder(8 << 20);
  Decoded decoded;
  const Bytes large = encode_frame({}, Bytes(8 << 20, 'x'));
  const Bytes small = encode_frame({}, "small");
  decoder.feed(large + small.substr(0, 9));
  drain(decoder, decoded);
  CHECK(decoder.memory() >= large.size());
  CHECK_FALSE(decoder.between_frames());
  decoder.feed(small.substr(9));
  drain(decoder, decoded);
  CHECK(decoder.memory() < 1024);
  CHECK(decoder.between_frames());
  REQUIRE(decoded.frames.size() == 2);
  CHECK(decoded.frames[1].second == "small");
}

TEST_CASE("frame: bad magic and oversize are refused from the header alone") {
  FrameDecoder garbage(1024);
  garbage.feed("GET / HTTP/1.1\r\nHost: example.org\r\nAccept: everything at all\r\n\r\n");
  CHECK(garbage.next().error().code == ErrorCode::Unsupported);
  FrameDecoder small(1024);
  small.feed(encode_frame({}, Bytes(1025, 'x')).substr(0, kFrameHeaderBytes));
  CHECK(small.next().error().code == ErrorCode::TooLarge);
  FrameDecoder padding(1024);
  Bytes frame = encode_frame({}, "x");
  frame.back() = 1;
  padding.feed(frame);
  CHECK(padding.next().error().code == ErrorCode::Damaged);
}

TEST_CASE("frame: random bytes do no harm") {
  Random random(4);
  for (int round = 0; round < 500; ++round) {
    FrameDecoder decoder(4096);
    decoder.feed(some_body(random, 500));
    Decoded decoded;
    drain(decoder, decoded);
    CHECK(decoded.frames.empty());
    (void)decode_hello(some_body(random, 200)).ok();
    (void)decode_error(some_body(random, 50));
  }
}

TEST_CASE("rpc message: hello golden bytes and round trip") {
  Hello hello;
  hello.node.octets[0] = 1;
  hello.generation = 7;
  hello.cluster.octets[15] = 2;
  hello.cluster_name = "home";
  hello.listens_at = {"127.0.0.1", 7401};
  hello.channel = Channel::Bulk;
  hello.silence_max = 3s;
  const Bytes bytes = encode_hello(hello);
  CHECK(to_hex(bytes) ==
        "5041524c45592d50010000000100000001000000000000000000000000000000"
        "07000000000000000000000000000000000000000000000204000000686f6d65"
        "090000003132372e302e302e31e91cb80b0000");
  CHECK(*decode_hello(bytes) == hello);
  CHECK(*decode_hello(bytes + "a later version's field") == hello);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    CHECK_FALSE(decode_hello(ByteView(bytes).substr(0, length)));
  }
  Bytes later = bytes;
  later[8] = 2;
  CHECK(decode_hello(later).error().message == "peer protocol version 2 is not supported");
  Bytes nil_node = bytes;
  nil_node[16] = 0;
  CHECK(decode_hello(nil_node).error().code == ErrorCode::InvalidArgument);
  Bytes channel = bytes;
  channel[12] = 2;
  CHECK_FALSE(decode_hello(channel));
}

TEST_CASE("rpc message: error golden bytes and round trip") {
  const Bytes bytes = encode_error({ErrorCode::Overloaded, "later", 50});
  CHECK(to_hex(bytes) == "09003200000000000000050000006c61746572");
  const Error error = decode_error(bytes);
  CHECK(error.code == ErrorCode::Overloaded);
  CHECK(error.message == "later");
  CHECK(error.retry_after_ms == 50);
  CHECK(decode_error("").code == ErrorCode::Internal);
  CHECK(encode_error({ErrorCode::Internal, Bytes(100'000, 'x')}).size() < 5000);
}

TEST_CASE("transit meter: the least trip counts as none, whatever the clocks say") {
  const Instant start = Instant{} + 5000s;
  for (const std::uint32_t peer : {0U, 4'000'000U, 4'294'967'290U}) {
    TransitMeter meter;
    CHECK(meter.waited(start, peer) == 0ms);
    CHECK(meter.waited(start + 1000ms, peer + 1000) == 0ms);
    CHECK(meter.waited(start + 2300ms, peer + 2000) == 300ms);
    // A quicker trip than ever moves the least.
    CHECK(meter.waited(start + 2995ms, peer + 3000) == 0ms);
    CHECK(meter.waited(start + 4000ms, peer + 4000) == 5ms);
  }
}

TEST_CASE("transit meter: what lay in a buffer while we were stopped is known as old") {
  for (const Duration stop : {30s, 600s}) {
    TransitMeter meter;
    const Instant start = Instant{} + 5000s;
    meter.waited(start, 100);
    const auto later = static_cast<std::uint32_t>(to_millis(stop));
    CHECK(meter.waited(start + stop, 200) == stop - 100ms);
    CHECK(meter.waited(start + stop, 300) == stop - 200ms);
    CHECK(meter.waited(start + stop, 100 + later) == 0ms);
  }
}

TEST_CASE("transit meter: an old least is forgotten after two windows") {
  TransitMeter meter;
  const Instant start = Instant{} + 5000s;
  // The peer's clock runs slow: each trip seems 10 ms longer than the one before.
  Duration worst{};
  for (int i = 0; i < 100; ++i) {
    const auto sent = static_cast<std::uint32_t>(i * 10'000);
    worst = std::max(worst, meter.waited(start + i * 10'010ms, sent));
  }
  CHECK(worst <= 140ms);
}

TEST_CASE("redial: calls may dial unless one has just been tried") {
  Redial redial(2s);
  const Instant start = Instant{} + 1s;
  CHECK(redial.call_may_dial(start));
  redial.on_attempt(start);
  CHECK_FALSE(redial.call_may_dial(start + 49ms));
  CHECK(redial.call_may_dial(start + 50ms));
  redial.on_recovered();
  CHECK(redial.call_may_dial(start));
}

TEST_CASE("redial: pauses double up to the most, while somebody wants the peer") {
  Redial redial(300ms);
  Instant now = Instant{} + 1s;
  redial.on_wanted(now);
  CHECK_FALSE(redial.retry_due(now + 1s));
  for (const Duration pause : {50ms, 100ms, 200ms, 300ms, 300ms}) {
    redial.on_failed(now);
    CHECK_FALSE(redial.retry_due(now + pause - 1ms));
    now += pause;
    CHECK(redial.retry_due(now));
  }
  redial.on_broken(now);
  CHECK(redial.retry_due(now + 50ms));
  CHECK_FALSE(redial.retry_due(now + 11s));
  CHECK_FALSE(redial.wanted_lately(now + 11s));
  redial.on_connected();
  CHECK_FALSE(redial.retry_due(now + 50ms));
}

TEST_CASE("timer queue: order, cancellation, fence") {
  TimerQueue timers;
  const Instant t = Instant{} + 1s;
  std::string order;
  timers.add(t + 2ms, [&] { order += 'c'; });
  timers.add(t, [&] { order += 'a'; });
  timers.add(t, [&] { order += 'b'; });
  const TimerId gone = timers.add(t, [&] { order += 'x'; });
  CHECK(timers.cancel(gone));
  CHECK_FALSE(timers.cancel(gone));
  CHECK_FALSE(timers.cancel(TimerId::None));
  CHECK(timers.first() == t);
  const auto fence = timers.fence();
  timers.add(t, [&] { order += 'y'; });
  while (auto task = timers.take_due(t + 1ms, fence)) (*task)();
  CHECK(order == "ab");
  while (auto task = timers.take_due(t + 2ms, timers.fence())) (*task)();
  CHECK(order == "abyc");
  CHECK(timers.size() == 0);
  CHECK_FALSE(timers.first());
}
