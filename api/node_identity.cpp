#include "api/node_identity.h"

#include "base/codec.h"

namespace parley::api {
namespace {

constexpr ByteView kName = "identity";
constexpr ByteView kRetiredName = "retired_copy";
constexpr std::uint8_t kFormat = 1;

Bytes encode(const NodeIdentity& identity) {
  ByteWriter out;
  out.number(kFormat);
  out.raw(identity.node.view());
  out.number(identity.generation);
  return out.take();
}

Result<NodeIdentity> decode(ByteView bytes) {
  ByteReader in(bytes);
  const auto format = in.number<std::uint8_t>();
  const auto node = NodeId::from_bytes(in.raw(16));
  const auto generation = in.number<std::uint64_t>();
  if (!in.complete() || format != kFormat || !node || node->is_nil() || generation == 0) {
    return Error{ErrorCode::Damaged, "the stored identity of this node is unreadable"};
  }
  return NodeIdentity{*node, generation};
}

}  // namespace

void retire_copy(storage::Store& store, std::function<void()> done) {
  store.put_named(Bytes(kRetiredName), "1",
                  [done = std::move(done)](const Result<Done>&) { done(); });
}

void begin_life(storage::Store& store, Random& random,
                std::function<void(Result<NodeIdentity>)> done) {
  if (store.named(kRetiredName)) {
    return done(Error{ErrorCode::StaleCopy,
                      "this data directory is an old or second copy of a node's: wipe it and start "
                      "as a new node"});
  }
  NodeIdentity identity;
  if (const auto stored = store.named(kName)) {
    const auto decoded = decode(*stored);
    if (!decoded.ok()) return done(decoded.error());
    identity = *decoded;
  } else {
    identity.node = random.id<NodeId>();
  }
  ++identity.generation;
  store.put_named(Bytes(kName), encode(identity),
                  [identity, done = std::move(done)](Result<Done> saved) {
                    if (!saved.ok()) {
                      return done(Error{saved.error().code,
                                        "cannot start, as the generation of this life cannot be "
                                        "written: " +
                                            saved.error().message});
                    }
                    done(identity);
                  });
}

}  // namespace parley::api
