// The messages of replica.capnp as plain values, and their bytes. Decoders answer
// InvalidArgument for whatever is no sound message; equal values encode to equal bytes.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "replication/coordinator.h"

namespace parley::replication {

// Which copy is meant, and who owned the key by the asker's plan.
struct CopyOf {
  KeyspaceId keyspace;
  Bytes key;
  std::vector<NodeId> owners;
  bool operator==(const CopyOf&) const = default;
};

struct StoreCopyRequest {
  CopyOf copy;
  Bytes set;
  storage::Durability durability = storage::Durability::Fsync;
};
// When a replica had the question and when it answered, by its own clock.
struct ServiceTimes {
  Duration received{}, answered{};
};

struct StoreCopyReply {
  std::uint64_t digest = 0;
  ServiceTimes times = {};
};

struct ReadCopyRequest {
  CopyOf copy;
};
struct ReadCopyReply {
  Bytes set;  // empty: no record
  ServiceTimes times = {};
};

struct StoreHintRequest {
  CopyOf copy;
  Bytes set;
  NodeId target;
  bool sole = false;
};

struct FindHintsRequest {
  CopyOf copy;
  bool targets_only = false;
};
struct FoundHint {
  NodeId target;
  Bytes set;  // empty: damaged, not asked for, or part of another one of this answer
};
struct FindHintsReply {
  std::vector<FoundHint> hints;
};

struct InspectCopyRequest {
  CopyOf copy;
};
struct InspectCopyReply {
  bool holds_record = false;
  bool damaged = false;
  std::string version, context;
  std::uint64_t digest = 0;
  bool tombstone = false;
};

// A client's write on its way to a replica. The deadline travels in the frame.
struct CoordinatePutRequest {
  CopyOf copy;
  std::optional<Bytes> value;
  Level level;
  std::optional<Bytes> context;
  storage::Durability durability = storage::Durability::Fsync;
  OpId op;
  bool trace = false;
};

Bytes encode_store_copy_request(const StoreCopyRequest& message);
Bytes encode_store_copy_reply(const StoreCopyReply& message);
Bytes encode_read_copy_request(const ReadCopyRequest& message);
Bytes encode_read_copy_reply(const ReadCopyReply& message);
Bytes encode_store_hint_request(const StoreHintRequest& message);
Bytes encode_store_hint_reply();
Bytes encode_find_hints_request(const FindHintsRequest& message);
Bytes encode_find_hints_reply(const FindHintsReply& message);
Bytes encode_inspect_copy_request(const InspectCopyRequest& message);
Bytes encode_inspect_copy_reply(const InspectCopyReply& message);
Bytes encode_coordinate_put_request(const CoordinatePutRequest& message);
Bytes encode_coordinate_put_reply(const WriteReply& message);

Result<StoreCopyRequest> decode_store_copy_request(ByteView bytes);
Result<StoreCopyReply> decode_store_copy_reply(ByteView bytes);
Result<ReadCopyRequest> decode_read_copy_request(ByteView bytes);
Result<ReadCopyReply> decode_read_copy_reply(ByteView bytes);
Result<StoreHintRequest> decode_store_hint_request(ByteView bytes);
Result<Done> decode_store_hint_reply(ByteView bytes);
Result<FindHintsRequest> decode_find_hints_request(ByteView bytes);
Result<FindHintsReply> decode_find_hints_reply(ByteView bytes);
Result<InspectCopyRequest> decode_inspect_copy_request(ByteView bytes);
Result<InspectCopyReply> decode_inspect_copy_reply(ByteView bytes);
Result<CoordinatePutRequest> decode_coordinate_put_request(ByteView bytes);
Result<WriteReply> decode_coordinate_put_reply(ByteView bytes);

}  // namespace parley::replication
