#include "api/kv_codec.h"

#include "api/client_codec.h"

namespace parley::api {

using client::bytes_of;
using client::data_of;
using client::text_for;

namespace {

schema::Outcome to_schema(replication::Outcome outcome) {
  switch (outcome) {
    case replication::Outcome::Ok: return schema::Outcome::OK;
    case replication::Outcome::NotWritten: return schema::Outcome::NOT_WRITTEN;
    case replication::Outcome::Unknown: return schema::Outcome::UNKNOWN;
  }
  PARLEY_UNREACHABLE();
}

schema::ReplicaReceipt::State to_schema(replication::ReplicaState state) {
  using State = schema::ReplicaReceipt::State;
  switch (state) {
    case replication::ReplicaState::Durable: return State::DURABLE;
    case replication::ReplicaState::Memory: return State::MEMORY;
    case replication::ReplicaState::Hinted: return State::HINTED;
    case replication::ReplicaState::Failed: return State::FAILED;
    case replication::ReplicaState::NoAnswer: return State::NO_ANSWER;
    case replication::ReplicaState::Pending: return State::PENDING;
  }
  PARLEY_UNREACHABLE();
}

// In a message: a result without what varies, and a row of a trace.
constexpr std::size_t kStructBytes = 256, kRowBytes = 192;

unsigned count(std::size_t n) { return static_cast<unsigned>(n); }

void write_trace(const std::vector<replication::TraceRow>& rows,
                 capnp::List<schema::TraceRow>::Builder out) {
  for (unsigned i = 0; i < rows.size(); ++i) {
    out[i].setNode(text_for(to_text(rows[i].node)));
    out[i].setAddress(text_for(rows[i].address));
    out[i].setWhat(text_for(rows[i].what));
    out[i].setSentUs(rows[i].sent_us);
    out[i].setAnsweredUs(rows[i].answered_us);
    out[i].setOutcome(text_for(rows[i].outcome));
  }
}

}  // namespace

Result<std::optional<replication::Level>> read_level(schema::Level::Reader in) {
  using replication::Level;
  using Wanted = std::optional<Level>;
  switch (in.which()) {
    case schema::Level::DEFAULT: return Wanted{};
    case schema::Level::ALL: return Wanted{Level{Level::Kind::All, 0}};
    case schema::Level::QUORUM: return Wanted{Level{Level::Kind::Quorum, 0}};
    case schema::Level::ONE: return Wanted{Level{Level::Kind::One, 0}};
    case schema::Level::ANY: return Wanted{Level{Level::Kind::Any, 0}};
    case schema::Level::NUMBER:
      if (in.getNumber() == 0) break;
      return Wanted{Level{Level::Kind::Number, in.getNumber()}};
  }
  return Error{ErrorCode::InvalidArgument,
               "unknown consistency level: use all, quorum, one, any or a number from 1 on", 0};
}

void write_level(const replication::Level& level, schema::Level::Builder out) {
  using Kind = replication::Level::Kind;
  switch (level.kind) {
    case Kind::All: return out.setAll();
    case Kind::Quorum: return out.setQuorum();
    case Kind::One: return out.setOne();
    case Kind::Any: return out.setAny();
    case Kind::Number: return out.setNumber(level.number);
  }
}

Result<replication::WriteRequest> read_write(schema::Write::Reader in, bool is_delete) {
  replication::WriteRequest out;
  out.key = bytes_of(in.getKey());
  if (!is_delete) out.value = bytes_of(in.getValue());
  // Empty is what a read of a key that was never seen gives: nothing to replace.
  if (in.getContext().size() > 0) out.context = bytes_of(in.getContext());
  if (in.getOpId().size() > 0) {
    const auto op = OpId::from_bytes(client::view_of(in.getOpId()));
    if (!op) return Error{ErrorCode::InvalidArgument, "an op-id has 16 bytes", 0};
    out.op = *op;
  }
  return out;
}

void write_result(const replication::WriteReply& reply, schema::WriteResult::Builder out) {
  out.setOutcome(to_schema(reply.outcome));
  if (reply.error) client::write_failure(*reply.error, out.initFailure());
  out.setVersion(text_for(reply.version));
  out.setContext(data_of(reply.context));
  if (reply.level) write_level(*reply.level, out.initLevel());
  out.setRequired(count(reply.required));
  auto replicas = out.initReplicas(count(reply.replicas.size()));
  for (unsigned i = 0; i < reply.replicas.size(); ++i) {
    const replication::ReplicaReceipt& receipt = reply.replicas[i];
    replicas[i].setNode(text_for(to_text(receipt.node)));
    replicas[i].setAddress(text_for(receipt.address));
    replicas[i].setState(to_schema(receipt.state));
    replicas[i].setHintHolder(text_for(receipt.hint_holder));
  }
  auto holders = out.initHintHolders(count(reply.hint_holders.size()));
  for (unsigned i = 0; i < reply.hint_holders.size(); ++i) {
    holders.set(i, text_for(reply.hint_holders[i]));
  }
  if (!reply.trace.empty()) write_trace(reply.trace, out.initTrace(count(reply.trace.size())));
}

void write_result(const replication::ReadReply& reply, schema::ReadResult::Builder out) {
  out.setOutcome(to_schema(reply.outcome));
  if (reply.error) client::write_failure(*reply.error, out.initFailure());
  out.setFound(reply.found);
  auto values = out.initValues(count(reply.values.size()));
  for (unsigned i = 0; i < reply.values.size(); ++i) {
    values[i].setValue(data_of(reply.values[i].value));
    values[i].setVersion(text_for(reply.values[i].version));
  }
  out.setContext(data_of(reply.context));
  if (reply.level) write_level(*reply.level, out.initLevel());
  out.setRequired(count(reply.required));
  out.setAsked(count(reply.asked));
  out.setAnswered(count(reply.answered));
  out.setAgreed(count(reply.agreed));
  out.setRepaired(count(reply.repaired));
  out.setFromHint(reply.from_hint);
  if (!reply.trace.empty()) write_trace(reply.trace, out.initTrace(count(reply.trace.size())));
}

replication::WriteReply refused_write(Error error, std::optional<replication::Level> level) {
  replication::WriteReply reply;
  reply.outcome = replication::Outcome::NotWritten;
  reply.error = std::move(error);
  reply.level = level;
  return reply;
}

replication::ReadReply refused_read(Error error, std::optional<replication::Level> level) {
  replication::ReadReply reply;
  reply.outcome = replication::Outcome::NotWritten;
  reply.error = std::move(error);
  reply.level = level;
  return reply;
}

std::size_t reply_bytes(const replication::WriteReply& reply) {
  constexpr std::size_t kReceiptBytes = 128;
  return kStructBytes + reply.version.size() + reply.context.size() +
         reply.trace.size() * kRowBytes +
         (reply.replicas.size() + reply.hint_holders.size()) * kReceiptBytes;
}

std::size_t reply_bytes(const replication::ReadReply& reply) {
  std::size_t bytes = kStructBytes + reply.context.size() + reply.trace.size() * kRowBytes;
  for (const auto& value : reply.values) bytes += value.value.size() + value.version.size() + 64;
  return bytes;
}

Result<const membership::KeyspaceRecord*> find_keyspace(const membership::View& view,
                                                        std::string_view name) {
  const auto* found = view.keyspace(name.empty() ? std::string_view("default") : name);
  if (found != nullptr) return found;
  return Error{ErrorCode::NotFound,
               "there is no keyspace \"" + std::string(name.substr(0, 64)) + "\"", 0};
}

void write_topology(const membership::View& view, const membership::KeyspaceRecord& keyspace,
                    schema::Topology::Builder out) {
  client::Topology topology;
  topology.ring_digest = view.ring->digest();
  topology.replication_factor = keyspace.replication_factor;
  for (const membership::Member& member : view.members) {
    client::Topology::Node node;
    node.node = member.record.node;
    node.client = member.record.client();
    node.up = member.serves() || member.record.node == view.self;
    if (member.record.ring.status == ring::RingStatus::Normal)
      node.slots = member.record.ring.slots;
    topology.nodes.push_back(std::move(node));
  }
  client::write_topology(topology, out);
}

}  // namespace parley::api
