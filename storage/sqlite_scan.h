// What a store reads once, at open: the sums of the slots, the totals of the hints, the named
// values. Throws SqliteError.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "storage/hint_ledger.h"
#include "storage/sqlite_statement.h"

namespace parley::storage {

struct StoredState {
  std::map<KeyspaceNumber, std::vector<SlotDigest>> slot_digests;
  std::uint64_t records = 0;
  HintLedger hints;
  std::map<Bytes, Bytes, std::less<>> named;
  std::string damaged_name;  // of a named value with a wrong checksum; empty: none
};

StoredState scan(const Connection& connection);

}  // namespace parley::storage
