#include "repair/sync_codec.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <cstring>

#include "repair/sync.capnp.h"

namespace parley::repair {
namespace {

capnp::Data::Reader as_data(ByteView bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
Bytes bytes_of(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
std::uint32_t count_of(std::size_t size) { return static_cast<std::uint32_t>(size); }

// One segment, so that equal messages have equal bytes: `content` must bound what the fields take
// beyond 16 words.
template <typename Root, typename Fill>
Bytes build(std::size_t content, Fill fill) {
  kj::Array<capnp::word> scratch = kj::heapArray<capnp::word>(content / sizeof(capnp::word) + 16);
  std::memset(scratch.begin(), 0, scratch.asBytes().size());
  capnp::MallocMessageBuilder message(scratch);
  fill(message.template initRoot<Root>());
  const kj::Array<capnp::word> flat = capnp::messageToFlatArray(message);
  const auto out = flat.asBytes();
  return {reinterpret_cast<const char*>(out.begin()), out.size()};
}

Error malformed(const char* what) {
  return {ErrorCode::InvalidArgument, std::string("malformed repair message: ") + what};
}

// `take` reads the root and gives a Result<T>. Whatever capnp throws at bad bytes ends here.
template <typename T, typename Root, typename Take>
Result<T> parse(ByteView bytes, Take take) {
  if (bytes.size() % sizeof(capnp::word) != 0 || bytes.size() < 2 * sizeof(capnp::word)) {
    return malformed("its length");
  }
  std::uint32_t segments_less_one = 0;
  std::memcpy(&segments_less_one, bytes.data(), sizeof segments_less_one);
  if (segments_less_one != 0) return malformed("its segments");
  try {
    // Copied: capnp wants aligned words, a frame's body starts anywhere.
    kj::Array<capnp::word> words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    std::memcpy(words.begin(), bytes.data(), bytes.size());
    capnp::ReaderOptions limits;
    limits.nestingLimit = 16;
    limits.traversalLimitInWords = 4 * words.size() + 64;
    capnp::FlatArrayMessageReader message(words, limits);
    return take(message.getRoot<Root>());
  } catch (const kj::Exception& error) {
    return malformed(error.getDescription().cStr());
  }
}

Result<KeyspaceId> keyspace_of(capnp::Data::Reader field) {
  const auto id = KeyspaceId::from_bytes(bytes_of(field));
  if (!id || id->is_nil()) return malformed("its keyspace");
  return *id;
}

bool sound_key(capnp::Data::Reader key) { return key.size() >= 1 && key.size() <= kKeyBytesMost; }

// Words of one Data field, its pointer included.
std::size_t field_bytes(const Bytes& bytes) { return bytes.size() + 16; }

}  // namespace

Bytes encode_compare_request(const CompareRequest& message) {
  return build<wire::CompareRequest>(message.groups.size(), [&](auto root) {
    root.setKeyspace(as_data(message.keyspace.view()));
    root.setRoot(message.root);
    root.setGroups({message.groups.data(), message.groups.size()});
  });
}

Result<CompareRequest> decode_compare_request(ByteView bytes) {
  using Out = Result<CompareRequest>;
  return parse<CompareRequest, wire::CompareRequest>(bytes, [](auto root) -> Out {
    const auto keyspace = keyspace_of(root.getKeyspace());
    if (!keyspace) return keyspace.error();
    const auto groups = root.getGroups();
    if (groups.size() > kGroupCount) return malformed("its groups");
    return CompareRequest{*keyspace, root.getRoot(), {groups.begin(), groups.end()}};
  });
}

Bytes encode_compare_reply(const CompareReply& message) {
  return build<wire::CompareReply>(message.sums.size() * 8, [&](auto root) {
    root.setEqual(message.equal);
    auto sums = root.initSums(count_of(message.sums.size()));
    for (std::uint32_t i = 0; i < sums.size(); ++i) sums.set(i, message.sums[i]);
  });
}

Result<CompareReply> decode_compare_reply(ByteView bytes) {
  return parse<CompareReply, wire::CompareReply>(bytes, [](auto root) -> Result<CompareReply> {
    const auto sums = root.getSums();
    if (sums.size() > kListEntriesMost) return malformed("its sums");
    CompareReply reply;
    reply.equal = root.getEqual();
    reply.sums.reserve(sums.size());
    for (const std::uint64_t sum : sums) reply.sums.push_back(sum);
    return reply;
  });
}

Bytes encode_list_request(const ListRequest& message) {
  const std::size_t content = message.slots.size() * 2 + field_bytes(message.after);
  return build<wire::ListRequest>(content, [&](auto root) {
    root.setKeyspace(as_data(message.keyspace.view()));
    auto slots = root.initSlots(count_of(message.slots.size()));
    for (std::uint32_t i = 0; i < slots.size(); ++i) slots.set(i, message.slots[i]);
    root.setAfter(as_data(message.after));
    root.setKeysMost(message.keys_most);
    root.setBytesMost(message.bytes_most);
  });
}

Result<ListRequest> decode_list_request(ByteView bytes) {
  return parse<ListRequest, wire::ListRequest>(bytes, [](auto root) -> Result<ListRequest> {
    const auto keyspace = keyspace_of(root.getKeyspace());
    if (!keyspace) return keyspace.error();
    ListRequest request;
    request.keyspace = *keyspace;
    const auto slots = root.getSlots();
    if (slots.size() == 0 || slots.size() > kListSlotsMost) return malformed("its slots");
    for (const Slot slot : slots) {
      if (!request.slots.empty() && slot <= request.slots.back()) return malformed("its slots");
      request.slots.push_back(slot);
    }
    if (root.getAfter().size() > kKeyBytesMost) return malformed("its cursor");
    request.after = bytes_of(root.getAfter());
    request.keys_most = root.getKeysMost();
    request.bytes_most = root.getBytesMost();
    if (request.keys_most == 0) return malformed("its limit");
    return request;
  });
}

Bytes encode_list_reply(const ListReply& message) {
  std::size_t content = 8;
  for (const auto& listed : message.keys) content += field_bytes(listed.key) + 8;
  return build<wire::ListReply>(content, [&](auto root) {
    auto keys = root.initKeys(count_of(message.keys.size()));
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
      keys[i].setKey(as_data(message.keys[i].key));
      keys[i].setDigest(message.keys[i].digest);
    }
    root.setLast(message.last);
  });
}

Result<ListReply> decode_list_reply(ByteView bytes) {
  return parse<ListReply, wire::ListReply>(bytes, [](auto root) -> Result<ListReply> {
    const auto keys = root.getKeys();
    if (keys.size() > kListEntriesMost) return malformed("its keys");
    ListReply reply;
    reply.last = root.getLast();
    reply.keys.reserve(keys.size());
    for (const auto listed : keys) {
      if (!sound_key(listed.getKey())) return malformed("a key");
      reply.keys.push_back({bytes_of(listed.getKey()), listed.getDigest()});
    }
    return reply;
  });
}

Bytes encode_fetch_request(const FetchRequest& message) {
  std::size_t content = 8;
  for (const Bytes& key : message.keys) content += field_bytes(key);
  return build<wire::FetchRequest>(content, [&](auto root) {
    root.setKeyspace(as_data(message.keyspace.view()));
    auto keys = root.initKeys(count_of(message.keys.size()));
    for (std::uint32_t i = 0; i < keys.size(); ++i) keys.set(i, as_data(message.keys[i]));
    root.setBytesMost(message.bytes_most);
  });
}

Result<FetchRequest> decode_fetch_request(ByteView bytes) {
  return parse<FetchRequest, wire::FetchRequest>(bytes, [](auto root) -> Result<FetchRequest> {
    const auto keyspace = keyspace_of(root.getKeyspace());
    if (!keyspace) return keyspace.error();
    const auto keys = root.getKeys();
    if (keys.size() == 0 || keys.size() > kListEntriesMost) return malformed("its keys");
    FetchRequest request;
    request.keyspace = *keyspace;
    for (const auto key : keys) {
      if (!sound_key(key)) return malformed("a key");
      request.keys.push_back(bytes_of(key));
    }
    request.bytes_most = root.getBytesMost();
    return request;
  });
}

Bytes encode_fetch_reply(const FetchReply& message) {
  std::size_t content = 8;
  for (const auto& copy : message.copies) content += field_bytes(copy.set) + 8;
  return build<wire::FetchReply>(content, [&](auto root) {
    auto copies = root.initCopies(count_of(message.copies.size()));
    for (std::uint32_t i = 0; i < copies.size(); ++i) {
      const FetchedCopy& copy = message.copies[i];
      switch (copy.condition) {
        using State = wire::FetchReply::CopyState;
        case storage::Condition::Missing: copies[i].setState(State::MISSING); break;
        case storage::Condition::Sound: copies[i].setState(State::SOUND); break;
        case storage::Condition::Damaged: copies[i].setState(State::DAMAGED); break;
      }
      copies[i].setSet(as_data(copy.set));
    }
  });
}

Result<FetchReply> decode_fetch_reply(ByteView bytes) {
  return parse<FetchReply, wire::FetchReply>(bytes, [](auto root) -> Result<FetchReply> {
    const auto copies = root.getCopies();
    if (copies.size() > kListEntriesMost) return malformed("its copies");
    FetchReply reply;
    for (const auto copy : copies) {
      FetchedCopy out;
      switch (copy.getState()) {
        using State = wire::FetchReply::CopyState;
        case State::MISSING: out.condition = storage::Condition::Missing; break;
        case State::SOUND: out.condition = storage::Condition::Sound; break;
        case State::DAMAGED: out.condition = storage::Condition::Damaged; break;
        default: return malformed("a state");
      }
      if (out.condition == storage::Condition::Sound) out.set = bytes_of(copy.getSet());
      reply.copies.push_back(std::move(out));
    }
    return reply;
  });
}

Bytes encode_store_request(const StoreRequest& message) {
  std::size_t content = 8;
  for (const auto& copy : message.copies) content += field_bytes(copy.key) + field_bytes(copy.set);
  return build<wire::StoreRequest>(content, [&](auto root) {
    root.setKeyspace(as_data(message.keyspace.view()));
    auto copies = root.initCopies(count_of(message.copies.size()));
    for (std::uint32_t i = 0; i < copies.size(); ++i) {
      copies[i].setKey(as_data(message.copies[i].key));
      copies[i].setSet(as_data(message.copies[i].set));
    }
  });
}

Result<StoreRequest> decode_store_request(ByteView bytes) {
  return parse<StoreRequest, wire::StoreRequest>(bytes, [](auto root) -> Result<StoreRequest> {
    const auto keyspace = keyspace_of(root.getKeyspace());
    if (!keyspace) return keyspace.error();
    const auto copies = root.getCopies();
    if (copies.size() == 0 || copies.size() > kListEntriesMost) return malformed("its copies");
    StoreRequest request;
    request.keyspace = *keyspace;
    for (const auto copy : copies) {
      if (!sound_key(copy.getKey())) return malformed("a key");
      request.copies.push_back({bytes_of(copy.getKey()), bytes_of(copy.getSet())});
    }
    return request;
  });
}

Bytes encode_store_reply(const StoreReply& message) {
  return build<wire::StoreReply>(message.outcomes.size() * 2 + 8, [&](auto root) {
    auto outcomes = root.initOutcomes(count_of(message.outcomes.size()));
    for (std::uint32_t i = 0; i < outcomes.size(); ++i) {
      outcomes.set(i, static_cast<wire::StoreReply::StoreOutcome>(message.outcomes[i]));
    }
  });
}

Result<StoreReply> decode_store_reply(ByteView bytes) {
  return parse<StoreReply, wire::StoreReply>(bytes, [](auto root) -> Result<StoreReply> {
    const auto outcomes = root.getOutcomes();
    if (outcomes.size() > kListEntriesMost) return malformed("its outcomes");
    StoreReply reply;
    for (const auto outcome : outcomes) {
      const auto number = static_cast<std::uint16_t>(outcome);
      if (number > static_cast<std::uint16_t>(StoreOutcome::Damaged)) {
        return malformed("an outcome");
      }
      reply.outcomes.push_back(static_cast<StoreOutcome>(number));
    }
    return reply;
  });
}

}  // namespace parley::repair
