#include "replication/replica_codec.h"

#include "replication/replica_codec_internal.h"

namespace parley::replication {
namespace {

void put_times(const ServiceTimes& times, auto& out) {
  out.setReceivedNs(times.received.count());
  out.setAnsweredNs(times.answered.count());
}

ServiceTimes take_times(const auto& in) {
  return {Duration(in.getReceivedNs()), Duration(in.getAnsweredNs())};
}

}  // namespace

Bytes encode_store_copy_request(const StoreCopyRequest& message) {
  using Root = wire::StoreCopyRequest;
  return build_flat<Root>(copy_bytes(message.copy) + message.set.size(), [&](Root::Builder out) {
    put_copy(out.initCopy(), message.copy);
    out.setSet(data_of(message.set));
    out.setDurability(to_wire(message.durability));
  });
}

Result<StoreCopyRequest> decode_store_copy_request(ByteView bytes) {
  using Root = wire::StoreCopyRequest;
  return decode_flat<StoreCopyRequest, Root>(
      bytes, [](Root::Reader in) -> std::optional<StoreCopyRequest> {
        auto copy = take_copy(in.getCopy());
        const auto durability = from_wire(in.getDurability());
        if (!copy || !durability || in.getSet().size() == 0) return std::nullopt;
        return StoreCopyRequest{std::move(*copy), bytes_of(in.getSet()), *durability};
      });
}

Bytes encode_store_copy_reply(const StoreCopyReply& message) {
  using Root = wire::StoreCopyReply;
  return build_flat<Root>(0, [&](Root::Builder out) {
    out.setDigest(message.digest);
    put_times(message.times, out);
  });
}

Result<StoreCopyReply> decode_store_copy_reply(ByteView bytes) {
  using Root = wire::StoreCopyReply;
  return decode_flat<StoreCopyReply, Root>(bytes,
                                           [](Root::Reader in) -> std::optional<StoreCopyReply> {
                                             return StoreCopyReply{in.getDigest(), take_times(in)};
                                           });
}

Bytes encode_read_copy_request(const ReadCopyRequest& message) {
  using Root = wire::ReadCopyRequest;
  return build_flat<Root>(copy_bytes(message.copy),
                          [&](Root::Builder out) { put_copy(out.initCopy(), message.copy); });
}

Result<ReadCopyRequest> decode_read_copy_request(ByteView bytes) {
  using Root = wire::ReadCopyRequest;
  return decode_flat<ReadCopyRequest, Root>(bytes,
                                            [](Root::Reader in) -> std::optional<ReadCopyRequest> {
                                              auto copy = take_copy(in.getCopy());
                                              if (!copy) return std::nullopt;
                                              return ReadCopyRequest{std::move(*copy)};
                                            });
}

Bytes encode_read_copy_reply(const ReadCopyReply& message) {
  using Root = wire::ReadCopyReply;
  return build_flat<Root>(message.set.size(), [&](Root::Builder out) {
    out.setSet(data_of(message.set));
    put_times(message.times, out);
  });
}

Result<ReadCopyReply> decode_read_copy_reply(ByteView bytes) {
  using Root = wire::ReadCopyReply;
  return decode_flat<ReadCopyReply, Root>(
      bytes, [](Root::Reader in) -> std::optional<ReadCopyReply> {
        return ReadCopyReply{bytes_of(in.getSet()), take_times(in)};
      });
}

Bytes encode_store_hint_request(const StoreHintRequest& message) {
  using Root = wire::StoreHintRequest;
  return build_flat<Root>(copy_bytes(message.copy) + message.set.size(), [&](Root::Builder out) {
    put_copy(out.initCopy(), message.copy);
    out.setSet(data_of(message.set));
    out.setTarget(data_of(message.target.view()));
    out.setSole(message.sole);
  });
}

Result<StoreHintRequest> decode_store_hint_request(ByteView bytes) {
  using Root = wire::StoreHintRequest;
  return decode_flat<StoreHintRequest, Root>(
      bytes, [](Root::Reader in) -> std::optional<StoreHintRequest> {
        auto copy = take_copy(in.getCopy());
        const auto target = take_id<NodeId>(in.getTarget());
        if (!copy || !target || in.getSet().size() == 0) return std::nullopt;
        return StoreHintRequest{std::move(*copy), bytes_of(in.getSet()), *target, in.getSole()};
      });
}

Bytes encode_store_hint_reply() {
  return build_flat<wire::StoreHintReply>(0, [](wire::StoreHintReply::Builder) {});
}

Result<Done> decode_store_hint_reply(ByteView bytes) {
  using Root = wire::StoreHintReply;
  return decode_flat<Done, Root>(bytes, [](Root::Reader) -> std::optional<Done> { return Done{}; });
}

Bytes encode_find_hints_request(const FindHintsRequest& message) {
  using Root = wire::FindHintsRequest;
  return build_flat<Root>(copy_bytes(message.copy), [&](Root::Builder out) {
    put_copy(out.initCopy(), message.copy);
    out.setTargetsOnly(message.targets_only);
  });
}

Result<FindHintsRequest> decode_find_hints_request(ByteView bytes) {
  using Root = wire::FindHintsRequest;
  return decode_flat<FindHintsRequest, Root>(
      bytes, [](Root::Reader in) -> std::optional<FindHintsRequest> {
        auto copy = take_copy(in.getCopy());
        if (!copy) return std::nullopt;
        return FindHintsRequest{std::move(*copy), in.getTargetsOnly()};
      });
}

Bytes encode_find_hints_reply(const FindHintsReply& message) {
  using Root = wire::FindHintsReply;
  std::size_t content = 0;
  for (const FoundHint& hint : message.hints) content += hint.set.size() + 64;
  return build_flat<Root>(content, [&](Root::Builder out) {
    auto hints = out.initHints(static_cast<unsigned>(message.hints.size()));
    for (unsigned i = 0; i < hints.size(); ++i) {
      hints[i].setTarget(data_of(message.hints[i].target.view()));
      hints[i].setSet(data_of(message.hints[i].set));
    }
  });
}

Result<FindHintsReply> decode_find_hints_reply(ByteView bytes) {
  using Root = wire::FindHintsReply;
  return decode_flat<FindHintsReply, Root>(
      bytes, [](Root::Reader in) -> std::optional<FindHintsReply> {
        FindHintsReply reply;
        for (const auto hint : in.getHints()) {
          const auto target = take_id<NodeId>(hint.getTarget());
          if (!target) return std::nullopt;
          reply.hints.push_back({*target, bytes_of(hint.getSet())});
        }
        return reply;
      });
}

Bytes encode_inspect_copy_request(const InspectCopyRequest& message) {
  using Root = wire::InspectCopyRequest;
  return build_flat<Root>(copy_bytes(message.copy),
                          [&](Root::Builder out) { put_copy(out.initCopy(), message.copy); });
}

Result<InspectCopyRequest> decode_inspect_copy_request(ByteView bytes) {
  using Root = wire::InspectCopyRequest;
  return decode_flat<InspectCopyRequest, Root>(
      bytes, [](Root::Reader in) -> std::optional<InspectCopyRequest> {
        auto copy = take_copy(in.getCopy());
        if (!copy) return std::nullopt;
        return InspectCopyRequest{std::move(*copy)};
      });
}

Bytes encode_inspect_copy_reply(const InspectCopyReply& message) {
  using Root = wire::InspectCopyReply;
  return build_flat<Root>(message.version.size() + message.context.size(), [&](Root::Builder out) {
    out.setHoldsRecord(message.holds_record);
    out.setDamaged(message.damaged);
    out.setVersion(data_of(message.version));
    out.setContext(data_of(message.context));
    out.setDigest(message.digest);
    out.setTombstone(message.tombstone);
  });
}

Result<InspectCopyReply> decode_inspect_copy_reply(ByteView bytes) {
  using Root = wire::InspectCopyReply;
  return decode_flat<InspectCopyReply, Root>(
      bytes, [](Root::Reader in) -> std::optional<InspectCopyReply> {
        return InspectCopyReply{
            in.getHoldsRecord(),       in.getDamaged(), bytes_of(in.getVersion()),
            bytes_of(in.getContext()), in.getDigest(),  in.getTombstone()};
      });
}

}  // namespace parley::replication
