#include "replication/replica_codec.h"
#include "replication/replica_codec_internal.h"

namespace parley::replication {
namespace {

using PutReply = wire::CoordinatePutReply;

// The enumerators stand in the same order on both sides; a test holds them together.
std::optional<Outcome> from_wire(PutReply::Outcome outcome) {
  switch (outcome) {
    case PutReply::Outcome::OK: return Outcome::Ok;
    case PutReply::Outcome::NOT_WRITTEN: return Outcome::NotWritten;
    case PutReply::Outcome::UNKNOWN: return Outcome::Unknown;
  }
  return std::nullopt;
}

std::optional<ReplicaState> from_wire(PutReply::State state) {
  switch (state) {
    case PutReply::State::DURABLE: return ReplicaState::Durable;
    case PutReply::State::MEMORY: return ReplicaState::Memory;
    case PutReply::State::HINTED: return ReplicaState::Hinted;
    case PutReply::State::FAILED: return ReplicaState::Failed;
    case PutReply::State::NO_ANSWER: return ReplicaState::NoAnswer;
    case PutReply::State::PENDING: return ReplicaState::Pending;
  }
  return std::nullopt;
}

// A code that a newer version has added says no more here than that something is wrong.
ErrorCode error_code(std::uint16_t number) {
  const auto code = static_cast<ErrorCode>(number);
  return code <= ErrorCode::ClockSkew ? code : ErrorCode::Internal;
}

std::optional<ReplicaReceipt> take_receipt(PutReply::Replica::Reader in) {
  const auto node = take_id<NodeId>(in.getNode());
  const auto state = from_wire(in.getState());
  if (!node || !state) return std::nullopt;
  return ReplicaReceipt{*node, bytes_of(in.getAddress()), *state, bytes_of(in.getHintHolder())};
}

// Words for people: what is too long is cut, not refused.
std::string text_of(capnp::Data::Reader in) {
  return bytes_of(in).substr(0, RequestTrace::kTextBytesMost);
}

bool take_trace(PutReply::Reader in, std::vector<TraceRow>& out) {
  if (in.getTrace().size() > RequestTrace::kRowsMost) return false;
  for (const auto row : in.getTrace()) {
    const auto node = take_id<NodeId>(row.getNode());
    if (!node) return false;
    out.push_back({*node, text_of(row.getAddress()), text_of(row.getWhat()), row.getSentUs(),
                   row.getAnsweredUs(), text_of(row.getOutcome())});
  }
  return true;
}

std::optional<WriteReply> take_reply(PutReply::Reader in) {
  WriteReply reply;
  const auto outcome = from_wire(in.getOutcome());
  const auto level = level_from_code(in.getLevel());
  const bool has_error = in.getErrorCode() != 0;
  if (!outcome || !level || has_error != (*outcome != Outcome::Ok)) return std::nullopt;
  if (in.getReplicas().size() > kOwnersMost || in.getHintHolders().size() > kOwnersMost) {
    return std::nullopt;
  }
  reply.outcome = *outcome;
  reply.level = *level;
  if (has_error) {
    reply.error = Error{error_code(in.getErrorCode()), bytes_of(in.getErrorMessage()),
                        static_cast<std::int64_t>(in.getRetryAfterMs() & 0x7fffffffU)};
  }
  reply.version = bytes_of(in.getVersion());
  reply.context = bytes_of(in.getContext());
  reply.required = in.getRequired();
  for (const auto replica : in.getReplicas()) {
    auto receipt = take_receipt(replica);
    if (!receipt) return std::nullopt;
    reply.replicas.push_back(std::move(*receipt));
  }
  for (const auto holder : in.getHintHolders()) reply.hint_holders.push_back(bytes_of(holder));
  if (!take_trace(in, reply.trace)) return std::nullopt;
  return reply;
}

std::size_t reply_bytes(const WriteReply& message) {
  std::size_t content = message.version.size() + message.context.size() + 64;
  if (message.error) content += message.error->message.size();
  for (const auto& replica : message.replicas) {
    content += 128 + replica.address.size() + replica.hint_holder.size();
  }
  for (const auto& holder : message.hint_holders) content += 24 + holder.size();
  for (const auto& row : message.trace) {
    content += 128 + row.address.size() + row.what.size() + row.outcome.size();
  }
  return content;
}

}  // namespace

Bytes encode_coordinate_put_request(const CoordinatePutRequest& message) {
  using Root = wire::CoordinatePutRequest;
  const std::size_t content = copy_bytes(message.copy) + message.value.value_or("").size() +
                              message.context.value_or("").size();
  return build_flat<Root>(content, [&](Root::Builder out) {
    put_copy(out.initCopy(), message.copy);
    out.setDelete(!message.value);
    if (message.value) out.setValue(data_of(*message.value));
    out.setLevel(level_code(message.level));
    out.setHasContext(message.context.has_value());
    if (message.context) out.setContext(data_of(*message.context));
    out.setDurability(to_wire(message.durability));
    out.setOp(data_of(message.op.view()));
    out.setTrace(message.trace);
  });
}

Result<CoordinatePutRequest> decode_coordinate_put_request(ByteView bytes) {
  using Root = wire::CoordinatePutRequest;
  return decode_flat<CoordinatePutRequest, Root>(
      bytes, [](Root::Reader in) -> std::optional<CoordinatePutRequest> {
        auto copy = take_copy(in.getCopy());
        const auto level = level_from_code(in.getLevel());
        const auto durability = replication::from_wire(in.getDurability());
        const auto op = take_id<OpId>(in.getOp());
        if (!copy || !level || !durability || !op) return std::nullopt;
        CoordinatePutRequest message;
        message.copy = std::move(*copy);
        if (!in.getDelete()) message.value = bytes_of(in.getValue());
        message.level = *level;
        if (in.getHasContext()) message.context = bytes_of(in.getContext());
        message.durability = *durability;
        message.op = *op;
        message.trace = in.getTrace();
        return message;
      });
}

Bytes encode_coordinate_put_reply(const WriteReply& message) {
  return build_flat<PutReply>(reply_bytes(message), [&](PutReply::Builder out) {
    out.setOutcome(static_cast<PutReply::Outcome>(message.outcome));
    if (message.error) {
      out.setErrorCode(static_cast<std::uint16_t>(message.error->code));
      out.setErrorMessage(data_of(message.error->message));
      const auto retry = message.error->retry_after_ms;
      out.setRetryAfterMs(retry > 0 ? static_cast<std::uint64_t>(retry) : 0);
    }
    out.setVersion(data_of(message.version));
    out.setContext(data_of(message.context));
    // A coordinator's own reply always names the level: here it is the request's.
    out.setLevel(level_code(message.level.value_or(Level{})));
    out.setRequired(static_cast<std::uint32_t>(message.required));
    auto replicas = out.initReplicas(static_cast<unsigned>(message.replicas.size()));
    for (unsigned i = 0; i < replicas.size(); ++i) {
      const ReplicaReceipt& receipt = message.replicas[i];
      replicas[i].setNode(data_of(receipt.node.view()));
      replicas[i].setAddress(data_of(receipt.address));
      replicas[i].setState(static_cast<PutReply::State>(receipt.state));
      replicas[i].setHintHolder(data_of(receipt.hint_holder));
    }
    auto holders = out.initHintHolders(static_cast<unsigned>(message.hint_holders.size()));
    for (unsigned i = 0; i < holders.size(); ++i) {
      holders.set(i, data_of(message.hint_holders[i]));
    }
    if (message.trace.empty()) return;
    auto trace = out.initTrace(static_cast<unsigned>(message.trace.size()));
    for (unsigned i = 0; i < trace.size(); ++i) {
      const TraceRow& row = message.trace[i];
      trace[i].setNode(data_of(row.node.view()));
      trace[i].setAddress(data_of(row.address));
      trace[i].setWhat(data_of(row.what));
      trace[i].setSentUs(row.sent_us);
      trace[i].setAnsweredUs(row.answered_us);
      trace[i].setOutcome(data_of(row.outcome));
    }
  });
}

Result<WriteReply> decode_coordinate_put_reply(ByteView bytes) {
  return decode_flat<WriteReply, PutReply>(bytes, take_reply);
}

}  // namespace parley::replication
