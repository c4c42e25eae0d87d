#include "replication/write_context.h"

#include "replication/context_token.h"
#include "tests/catch.h"

namespace parley::replication {
namespace {

Dot dot(std::uint8_t storage, std::uint64_t counter) {
  StorageId id;
  id.octets[0] = storage;
  return {Actor{id, 2}, counter};
}
OpId op(std::uint8_t n) {
  OpId id;
  id.octets[0] = n;
  return id;
}
VersionVector seen(const std::vector<Dot>& dots) {
  VersionVector out;
  for (const Dot& d : dots) out.add(d);
  return out;
}

}  // namespace

TEST_CASE("write context: covers what was seen and the write", "[replication]") {
  VersionSet set;
  set.write({}, {dot(1, 1), false, {}, "a"});
  const VersionVector first = set.context();
  set.write(first, {dot(1, 2), false, {}, "b"});
  CHECK(context_after_write(first, dot(1, 2), set) == seen({dot(1, 2)}));
}

TEST_CASE("write context: never covers a sibling that the writer did not see", "[replication]") {
  VersionSet set;
  set.write({}, {dot(1, 1), false, {}, "unseen"});
  set.write({}, {dot(1, 2), false, {}, "mine"});
  // 1:2 says that 1:1 was seen too: the dot is left out.
  const VersionVector context = context_after_write({}, dot(1, 2), set).vector;
  CHECK(context.empty());
  VersionSet next = set;
  next.write(context, {dot(1, 3), false, {}, "next"});
  CHECK(next.siblings().size() == 3);
  // of another actor the unseen sibling is in no danger
  VersionSet other;
  other.write({}, {dot(2, 1), false, {}, "unseen"});
  other.write({}, {dot(1, 1), false, {}, "mine"});
  CHECK(context_after_write({}, dot(1, 1), other) == seen({dot(1, 1)}));
}

TEST_CASE("write context: covers the retries of its own op-id", "[replication]") {
  VersionSet set;
  set.write({}, {dot(1, 1), false, op(7), "v"});
  set.write({}, {dot(2, 1), false, op(7), "v"});
  set.write({}, {dot(3, 1), false, op(8), "other"});
  CHECK(context_after_write({}, dot(1, 1), set) == seen({dot(1, 1), dot(2, 1)}));
  // without an op-id there are no retries
  VersionSet plain;
  plain.write({}, {dot(1, 1), false, {}, "v"});
  plain.write({}, {dot(2, 1), false, {}, "w"});
  CHECK(context_after_write({}, dot(1, 1), plain) == seen({dot(1, 1)}));
}

TEST_CASE("write context: of a retry that has seen more than the first try", "[replication]") {
  VersionSet set;
  set.write({}, {dot(1, 1), false, {}, "other"});
  set.write({}, {dot(1, 2), false, op(7), "mine"});
  CHECK(context_after_write(seen({dot(1, 1)}), dot(1, 2), set) == seen({dot(1, 2)}));
}

TEST_CASE("write context: of a write that was replaced meanwhile", "[replication]") {
  VersionSet set;
  set.write({}, {dot(1, 1), false, op(7), "v"});
  set.write(set.context(), {dot(2, 1), false, {}, "w"});
  CHECK(context_after_write({}, dot(1, 1), set) == seen({dot(1, 1)}));
}

TEST_CASE("read context: all that was seen, or what was read where that is too much",
          "[replication]") {
  VersionSet set;
  VersionVector all;
  const auto add = [&](std::uint64_t epoch, const VersionVector& before) {
    const Dot one{Actor{dot(1, 1).actor.storage, epoch}, 2};
    set.write(before, {one, false, {}, "v"});
    all.add(one);
  };
  for (std::uint64_t epoch = 1; epoch < kContextEntriesMost; ++epoch) add(epoch, all);
  CHECK(context_of_read(set) == all);
  const VersionVector before = all;
  add(kContextEntriesMost, before);
  add(kContextEntriesMost + 1, before);  // beside it
  const VersionVector context = context_of_read(set);
  CHECK(context.entries().size() == 2);
  CHECK(all.covers(context));
  for (const Sibling& sibling : set.siblings()) CHECK(context.covers(sibling.dot));
  // More siblings than a token has room for, which only merges bring.
  for (std::uint64_t epoch = 1; epoch < kContextEntriesMost; ++epoch) add(epoch + 4096, before);
  CHECK(context_of_read(set).entries().size() == kContextEntriesMost - 1);
}

}  // namespace parley::replication
