// The schema (parley.capnp) and the words of the client library (client.h), one into the other.
// Used by both ends. Reading may throw kj::Exception for a malformed message, as every capnp reader
// does; that belongs to the RPC system, which answers it with an exception.
#pragma once

#include <optional>
#include <vector>

#include "api/client.h"
#include "api/client_router.h"
#include "api/parley.capnp.h"

namespace parley::client {

namespace schema = ::parley::api::schema;

// Batches beyond these are refused by servers, so the library cuts them up.
inline constexpr std::size_t kBatchItemsMost = 1024;
inline constexpr std::size_t kBatchBytesMost = 4_MiB;

inline ByteView view_of(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
inline Bytes bytes_of(capnp::Data::Reader data) { return Bytes(view_of(data)); }
inline capnp::Data::Reader data_of(ByteView bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
inline std::string text_of(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
inline capnp::Text::Reader text_for(const std::string& text) { return {text.data(), text.size()}; }

schema::ErrorCode to_schema(ErrorCode code);
// Numbers of a newer peer that are not known here: Internal.
ErrorCode from_schema(schema::ErrorCode code);
void write_failure(const Error& error, schema::Failure::Builder out);
// nullopt for `none`.
std::optional<Error> read_failure(schema::Failure::Reader in);

// "": default, "all", "quorum", "one", "any", or a number from 1 on. InvalidArgument otherwise.
// A refusal before planning may name no level: then it is the one that was asked for.
template <typename T>
void name_level(T& result, const std::string& asked) {
  if (result.level.empty()) result.level = asked;
}

Status check_level_text(const std::string& text);
// `text` was checked.
void write_level(const std::string& text, schema::Level::Builder out);
std::string read_level(schema::Level::Reader in);

// Requests; levels were checked. A nil op leaves opId out.
void write_write(ByteView key, const std::optional<Bytes>& value,
                 const std::optional<Bytes>& context, const OpId& op, schema::Write::Builder out);
void write_options(const WriteOptions& options, std::uint32_t timeout_ms,
                   schema::WriteOptions::Builder out);
void write_options(const ReadOptions& options, std::uint32_t timeout_ms,
                   schema::ReadOptions::Builder out);

WriteResult read_result(schema::WriteResult::Reader in);
ReadResult read_result(schema::ReadResult::Reader in);
Topology read_topology(schema::Topology::Reader in);
void write_topology(const Topology& topology, schema::Topology::Builder out);

void write_struct(const StatusRow& in, schema::ClusterStatus::Row::Builder out);
StatusRow read_struct(schema::ClusterStatus::Row::Reader in);
void write_struct(const RingRow& in, schema::RingInfo::Row::Builder out);
RingRow read_struct(schema::RingInfo::Row::Reader in);
void write_struct(const InspectRow& in, schema::InspectResult::Row::Builder out);
InspectRow read_struct(schema::InspectResult::Row::Reader in);

void write_struct(const ClusterStatus& in, schema::ClusterStatus::Builder out);
void write_struct(const RingInfo& in, schema::RingInfo::Builder out);
void write_struct(const ReplicaAddress& in, schema::ReplicaAddress::Builder out);
void write_struct(const InspectResult& in, schema::InspectResult::Builder out);
void write_struct(const NodeInfo& in, schema::NodeInfo::Builder out);
void write_struct(const GossipRow& in, schema::GossipRow::Builder out);
void write_struct(const HintRow& in, schema::HintRow::Builder out);
void write_struct(const RepairRow& in, schema::RepairRow::Builder out);
void write_struct(const KeyspaceInfo& in, schema::KeyspaceInfo::Builder out);
void write_struct(const ConflictRow& in, schema::ConflictRow::Builder out);

ClusterStatus read_struct(schema::ClusterStatus::Reader in);
RingInfo read_struct(schema::RingInfo::Reader in);
ReplicaAddress read_struct(schema::ReplicaAddress::Reader in);
InspectResult read_struct(schema::InspectResult::Reader in);
NodeInfo read_struct(schema::NodeInfo::Reader in);
GossipRow read_struct(schema::GossipRow::Reader in);
HintRow read_struct(schema::HintRow::Reader in);
RepairRow read_struct(schema::RepairRow::Reader in);
KeyspaceInfo read_struct(schema::KeyspaceInfo::Reader in);
ConflictRow read_struct(schema::ConflictRow::Reader in);

// The words of a spec name something that can be sent; whether it can be done the node says.
Status check_fault(const FaultSpec& spec);
void write_struct(const FaultSpec& in, schema::Fault::Builder out);  // checked
void write_struct(const FaultRow& in, schema::FaultRow::Builder out);
FaultSpec read_struct(schema::Fault::Reader in);
FaultRow read_struct(schema::FaultRow::Reader in);

void write_struct(const WorkRow& in, schema::WorkRow::Builder out);
WorkRow read_struct(schema::WorkRow::Reader in);

void write_struct(const NodeLatencies& in, schema::NodeLatencies::Builder out);
NodeLatencies read_struct(schema::NodeLatencies::Reader in);

void write_texts(const std::vector<std::string>& in, capnp::List<capnp::Text>::Builder out);
std::vector<std::string> read_texts(capnp::List<capnp::Text>::Reader in);

template <typename Struct, typename ListBuilder>
void write_rows(const std::vector<Struct>& in, ListBuilder out) {
  for (unsigned i = 0; i < in.size(); ++i) write_struct(in[i], out[i]);
}
template <typename Struct, typename ListReader>
std::vector<Struct> read_rows(ListReader in) {
  std::vector<Struct> out;
  out.reserve(in.size());
  for (const auto row : in) out.push_back(read_struct(row));
  return out;
}

}  // namespace parley::client
