#include "api/client_codec.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace parley::client {

schema::ErrorCode to_schema(ErrorCode code) {
  // One numbering: base/result.h and the schema grow together.
  return static_cast<schema::ErrorCode>(code);
}

ErrorCode from_schema(schema::ErrorCode code) {
  const auto number = static_cast<std::uint16_t>(code);
  if (number == 0 || number > static_cast<std::uint16_t>(ErrorCode::ClockSkew)) {
    return ErrorCode::Internal;
  }
  return static_cast<ErrorCode>(number);
}

void write_failure(const Error& error, schema::Failure::Builder out) {
  out.setCode(to_schema(error.code));
  out.setMessage(text_for(error.message));
  if (error.retry_after_ms > 0) {
    out.setRetryAfterMs(static_cast<std::uint32_t>(
        std::min<std::int64_t>(error.retry_after_ms, std::numeric_limits<std::uint32_t>::max())));
  }
}

std::optional<Error> read_failure(schema::Failure::Reader in) {
  if (in.getCode() == schema::ErrorCode::NONE) return std::nullopt;
  return Error{from_schema(in.getCode()), text_of(in.getMessage()), in.getRetryAfterMs()};
}

namespace {

// 0 when it is no number from 1 on.
std::uint32_t level_number(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && end == text.data() + text.size() ? number : 0;
}

Outcome from_schema(schema::Outcome outcome) {
  switch (outcome) {
    case schema::Outcome::OK: return Outcome::Ok;
    case schema::Outcome::NOT_WRITTEN: return Outcome::NotWritten;
    case schema::Outcome::UNKNOWN: break;
  }
  return Outcome::Unknown;
}

const char* state_text(schema::ReplicaReceipt::State state) {
  switch (state) {
    case schema::ReplicaReceipt::State::PENDING: return "pending";
    case schema::ReplicaReceipt::State::DURABLE: return "durable";
    case schema::ReplicaReceipt::State::MEMORY: return "memory";
    case schema::ReplicaReceipt::State::HINTED: return "hinted";
    case schema::ReplicaReceipt::State::FAILED: return "failed";
    case schema::ReplicaReceipt::State::NO_ANSWER: return "no_answer";
  }
  return "pending";  // a newer peer's word: nothing is known
}

template <typename Result>
void read_verdict(Result& out, Outcome outcome, schema::Failure::Reader failure) {
  out.outcome = outcome;
  out.error = read_failure(failure);
  if (out.outcome != Outcome::Ok && !out.error) {
    out.error = Error{ErrorCode::Internal, "the node gave no reason", 0};
  }
}

}  // namespace

Status check_level_text(const std::string& text) {
  if (text.empty() || text == "all" || text == "quorum" || text == "one" || text == "any" ||
      level_number(text) > 0) {
    return Done{};
  }
  return Error{ErrorCode::InvalidArgument,
               "unknown consistency level \"" + text.substr(0, 40) +
                   "\": use all, quorum, one, any or a number from 1 on",
               0};
}

void write_level(const std::string& text, schema::Level::Builder out) {
  if (text.empty()) return out.setDefault();
  if (text == "all") return out.setAll();
  if (text == "quorum") return out.setQuorum();
  if (text == "one") return out.setOne();
  if (text == "any") return out.setAny();
  out.setNumber(level_number(text));
}

std::string read_level(schema::Level::Reader in) {
  switch (in.which()) {
    case schema::Level::DEFAULT: return "";
    case schema::Level::ALL: return "all";
    case schema::Level::QUORUM: return "quorum";
    case schema::Level::ONE: return "one";
    case schema::Level::ANY: return "any";
    case schema::Level::NUMBER: return std::to_string(in.getNumber());
  }
  return "";
}

void write_write(ByteView key, const std::optional<Bytes>& value,
                 const std::optional<Bytes>& context, const OpId& op, schema::Write::Builder out) {
  out.setKey(data_of(key));
  if (value) out.setValue(data_of(*value));
  out.setIsDelete(!value);
  if (context) out.setContext(data_of(*context));
  if (!op.is_nil()) out.setOpId(data_of(op.view()));
}

void write_options(const WriteOptions& options, std::uint32_t timeout_ms,
                   schema::WriteOptions::Builder out) {
  out.setKeyspace(text_for(options.keyspace));
  write_level(options.level, out.initLevel());
  out.setDurability(options.memory_durability ? schema::Durability::MEMORY
                                              : schema::Durability::FSYNC);
  out.setTimeoutMs(timeout_ms);
  out.setTrace(options.trace);
}

void write_options(const ReadOptions& options, std::uint32_t timeout_ms,
                   schema::ReadOptions::Builder out) {
  out.setKeyspace(text_for(options.keyspace));
  write_level(options.level, out.initLevel());
  out.setTimeoutMs(timeout_ms);
  out.setTrace(options.trace);
}

namespace {

std::vector<TraceRow> read_trace(capnp::List<schema::TraceRow>::Reader in) {
  std::vector<TraceRow> out;
  for (const auto row : in) {
    out.push_back({text_of(row.getNode()), text_of(row.getAddress()), text_of(row.getWhat()),
                   row.getSentUs(), row.getAnsweredUs(), text_of(row.getOutcome())});
  }
  return out;
}

}  // namespace

WriteResult read_result(schema::WriteResult::Reader in) {
  WriteResult out;
  read_verdict(out, from_schema(in.getOutcome()), in.getFailure());
  out.version = text_of(in.getVersion());
  out.context = bytes_of(in.getContext());
  out.level = read_level(in.getLevel());
  out.required = in.getRequired();
  for (const auto replica : in.getReplicas()) {
    out.replicas.push_back({text_of(replica.getNode()), text_of(replica.getAddress()),
                            state_text(replica.getState()), text_of(replica.getHintHolder())});
  }
  for (const auto holder : in.getHintHolders()) out.hint_holders.push_back(text_of(holder));
  out.trace = read_trace(in.getTrace());
  return out;
}

ReadResult read_result(schema::ReadResult::Reader in) {
  ReadResult out;
  read_verdict(out, from_schema(in.getOutcome()), in.getFailure());
  out.found = in.getFound();
  for (const auto value : in.getValues()) {
    out.values.push_back({bytes_of(value.getValue()), text_of(value.getVersion())});
  }
  out.context = bytes_of(in.getContext());
  out.level = read_level(in.getLevel());
  out.required = in.getRequired();
  out.asked = in.getAsked();
  out.answered = in.getAnswered();
  out.agreed = in.getAgreed();
  out.repaired = in.getRepaired();
  out.from_hint = in.getFromHint();
  out.trace = read_trace(in.getTrace());
  return out;
}

Topology read_topology(schema::Topology::Reader in) {
  Topology out;
  out.ring_digest = in.getRingDigest();
  out.replication_factor = in.getReplicationFactor();
  for (const auto node : in.getNodes()) {
    Topology::Node one;
    const auto id = NodeId::from_bytes(view_of(node.getNode()));
    const std::string address = text_of(node.getAddress());
    if (!id || !is_numeric_address(address) || node.getClientPort() == 0) continue;
    one.node = *id;
    one.client = {address, node.getClientPort()};
    one.up = node.getUp();
    for (const auto slot : node.getSlots()) one.slots.push_back(slot);
    out.nodes.push_back(std::move(one));
  }
  return out;
}

void write_topology(const Topology& topology, schema::Topology::Builder out) {
  out.setRingDigest(topology.ring_digest);
  out.setReplicationFactor(topology.replication_factor);
  auto nodes = out.initNodes(static_cast<unsigned>(topology.nodes.size()));
  for (unsigned i = 0; i < topology.nodes.size(); ++i) {
    const Topology::Node& node = topology.nodes[i];
    nodes[i].setNode(data_of(node.node.view()));
    nodes[i].setAddress(text_for(node.client.address));
    nodes[i].setClientPort(node.client.port);
    nodes[i].setUp(node.up);
    auto slots = nodes[i].initSlots(static_cast<unsigned>(node.slots.size()));
    for (unsigned j = 0; j < node.slots.size(); ++j) slots.set(j, node.slots[j]);
  }
}

}  // namespace parley::client
