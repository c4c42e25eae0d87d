#include "membership/held_keyspace.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/mutant.h"

namespace parley::membership {
namespace {

using Register = std::pair<std::uint64_t, LevelCode>;

Register read_of(const HeldKeyspace& held) { return {held.read_version, held.record.read_level}; }
Register write_of(const HeldKeyspace& held) {
  return {held.write_version, held.record.write_level};
}

HeldKeyspace with(HeldKeyspace held, const Register& read, const Register& write) {
  std::tie(held.read_version, held.record.read_level) = read;
  std::tie(held.write_version, held.record.write_level) = write;
  held.record.version = std::max(held.read_version, held.write_version);
  return held;
}

}  // namespace

HeldKeyspace join(const HeldKeyspace& one, const HeldKeyspace& other) {
  return with(one, std::max(read_of(one), read_of(other)),
              std::max(write_of(one), write_of(other)));
}

HeldKeyspace with_change(HeldKeyspace held, const KeyspaceChange& change) {
  const std::uint64_t next = held.record.version + 1;
  Register read = read_of(held), write = write_of(held);
  if (change.read_level) read = {next, *change.read_level};
  if (change.write_level) write = {next, *change.write_level};
  if (PARLEY_MUTANT(keyspace_change_not_on_top)) read.first = write.first = next;
  return with(std::move(held), read, write);
}

bool stands(const HeldKeyspace& record, const KeyspaceChange& change, const HeldKeyspace& held) {
  return (!change.read_level || read_of(record) == read_of(held)) &&
         (!change.write_level || write_of(record) == write_of(held));
}

}  // namespace parley::membership
