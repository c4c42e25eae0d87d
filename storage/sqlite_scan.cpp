#include "storage/sqlite_scan.h"

#include "base/mutant.h"
#include "storage/sqlite_rows.h"

namespace parley::storage {
namespace {

void scan_records(const Connection& connection, StoredState& state) {
  Statement rows(connection,
                 "SELECT keyspace, token, key, digest FROM records ORDER BY keyspace, token, key");
  std::vector<SlotDigest>* sums = nullptr;
  KeyspaceNumber last = 0;
  while (rows.step()) {
    const auto keyspace = static_cast<KeyspaceNumber>(rows.number(0));
    if (sums == nullptr || keyspace != last) {
      sums = &state.slot_digests[keyspace];
      last = keyspace;
    }
    const Token token = loaded_token(rows.number(1));
    const Slot slot = slot_of(token);
    if (sums->empty() || sums->back().slot != slot) sums->push_back({slot, 0});
    sums->back().sum += slot_term(token, rows.blob(2), loaded_number(rows.number(3)));
    ++state.records;
  }
}

void scan_hints(const Connection& connection, StoredState& state) {
  Statement rows(connection, "SELECT target, created, sole, length(value) FROM hints");
  while (rows.step()) {
    const NodeId target = NodeId::from_bytes(rows.blob(0)).value_or(NodeId{});
    state.hints.change(
        target, std::nullopt,
        HintShare{loaded_number(rows.number(3)), {rows.number(1)}, rows.number(2) != 0});
  }
}

void scan_named(const Connection& connection, StoredState& state) {
  Statement rows(connection, "SELECT name, digest, value FROM named");
  while (rows.step()) {
    const Bytes name(rows.blob(0));
    StoredRow row = load_row(rows, 1, 2, name);
    if (row.found.condition != Condition::Sound) state.damaged_name = name;
    state.named[name] = std::move(row.found.value);
  }
}

}  // namespace

StoredState scan(const Connection& connection) {
  StoredState state;
  scan_records(connection, state);
  if (!PARLEY_MUTANT(hints_not_counted_at_open)) scan_hints(connection, state);
  scan_named(connection, state);
  return state;
}

}  // namespace parley::storage
