// The repair messages and their bytes (sync.capnp). Decoders take anything and answer
// InvalidArgument for what no encoder here could have made.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "repair/merkle.h"
#include "storage/store.h"

namespace parley::repair {

struct ListRequest {
  KeyspaceId keyspace;
  std::vector<Slot> slots;  // ascending
  Bytes after;              // empty: from the start
  std::uint32_t keys_most = 0;
  std::uint32_t bytes_most = 0;
  bool operator==(const ListRequest&) const = default;
};

struct ListReply {
  std::vector<storage::ListedKey> keys;
  bool last = false;
};

struct FetchRequest {
  KeyspaceId keyspace;
  std::vector<Bytes> keys;
  std::uint32_t bytes_most = 0;
  bool operator==(const FetchRequest&) const = default;
};

struct FetchedCopy {
  storage::Condition condition = storage::Condition::Missing;
  Bytes set;  // Sound only
  bool operator==(const FetchedCopy&) const = default;
};

struct FetchReply {
  std::vector<FetchedCopy> copies;
};

struct KeyedSet {
  Bytes key;
  Bytes set;
  bool operator==(const KeyedSet&) const = default;
};

struct StoreRequest {
  KeyspaceId keyspace;
  std::vector<KeyedSet> copies;
  bool operator==(const StoreRequest&) const = default;
};

enum class StoreOutcome : std::uint8_t {
  Stored = 0,
  NotOwner = 1,
  Failed = 2,
  Refused = 3,
  Damaged = 4,
};

struct StoreReply {
  std::vector<StoreOutcome> outcomes;
};

// Entries of any list in any message.
inline constexpr std::size_t kListEntriesMost = 65536;
inline constexpr std::size_t kKeyBytesMost = 64_KiB;

Bytes encode_compare_request(const CompareRequest& message);
Bytes encode_compare_reply(const CompareReply& message);
Bytes encode_list_request(const ListRequest& message);
Bytes encode_list_reply(const ListReply& message);
Bytes encode_fetch_request(const FetchRequest& message);
Bytes encode_fetch_reply(const FetchReply& message);
Bytes encode_store_request(const StoreRequest& message);
Bytes encode_store_reply(const StoreReply& message);

Result<CompareRequest> decode_compare_request(ByteView bytes);
Result<CompareReply> decode_compare_reply(ByteView bytes);
Result<ListRequest> decode_list_request(ByteView bytes);
Result<ListReply> decode_list_reply(ByteView bytes);
Result<FetchRequest> decode_fetch_request(ByteView bytes);
Result<FetchReply> decode_fetch_reply(ByteView bytes);
Result<StoreRequest> decode_store_request(ByteView bytes);
Result<StoreReply> decode_store_reply(ByteView bytes);

}  // namespace parley::repair
