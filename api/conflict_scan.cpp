#include "api/conflict_scan.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "replication/version.h"
#include "ring/ring.h"

namespace parley::api {
namespace {

using replication::VersionSet;

constexpr std::size_t kRowsUsual = 100;
// One slice: about a millisecond of either thread.
constexpr std::size_t kSliceRecords = 512;
constexpr std::size_t kSliceBytes = 1_MiB;
// Of one part: keys and sets.
constexpr std::size_t kPartBytesMost = 1_MiB;

// Where a key stands in the order of all pages.
using Place = std::pair<Token, Bytes>;
Place place_of(const Bytes& key) { return {ring::token_of(key), key}; }

// The versions of the values that a read would give.
std::vector<std::string> live_values(const VersionSet& set) {
  std::vector<std::string> out;
  for (const auto& sibling : set.visible()) {
    if (!sibling.tombstone) out.push_back(to_text(sibling.dot));
  }
  return out;
}

struct Scan {
  storage::Store& store;
  runtime::Loop& loop;
  const Lifetime& alive;  // every callback is bound to it
  const storage::KeyspaceNumber keyspace;
  const ConflictQuestion question;
  const Instant end;
  std::function<void(Result<ConflictPart>)> done;
  std::optional<storage::RecordKey> after;
  ConflictPart part;
  std::size_t bytes = 0;
};

// False when the page is full.
bool take(Scan& scan, const storage::ListedRecord& record) {
  scan.part.scanned_to = record.key.key;
  if (record.found.condition != storage::Condition::Sound) return true;
  const auto set = VersionSet::decode(record.found.value);
  if (!set || live_values(*set).size() < 2) return true;
  FoundConflict row{record.key.key, set->without_values().encode()};
  scan.bytes += row.key.size() + row.set.size();
  scan.part.rows.push_back(std::move(row));
  return scan.part.rows.size() < scan.question.rows_most && scan.bytes < kPartBytesMost;
}

void next_slice(const std::shared_ptr<Scan>& scan);

void on_slice(const std::shared_ptr<Scan>& scan,
              const Result<std::vector<storage::ListedRecord>>& records) {
  if (!records) return scan->done(records.error());
  for (const auto& record : *records) {
    if (!take(*scan, record)) return scan->done(std::move(scan->part));
  }
  scan->part.ended = records->empty();
  if (scan->part.ended || scan->loop.now() >= scan->end) {
    return scan->done(std::move(scan->part));
  }
  scan->after = records->back().key;
  next_slice(scan);
}

void next_slice(const std::shared_ptr<Scan>& scan) {
  scan->store.list_records(
      scan->keyspace, scan->after, kSliceRecords, kSliceBytes,
      scan->alive.guard([scan](const Result<std::vector<storage::ListedRecord>>& records) {
        on_slice(scan, records);
      }));
}

}  // namespace

std::size_t conflict_rows_of(std::size_t limit) {
  return limit == 0 ? kRowsUsual : std::min(limit, kConflictRowsMost);
}

void scan_conflicts(storage::Store& store, runtime::Loop& loop, const Lifetime& alive,
                    storage::KeyspaceNumber keyspace, ConflictQuestion question,
                    std::function<void(Result<ConflictPart>)> done) {
  const Instant end = loop.now() + question.time_most;
  std::optional<storage::RecordKey> after;
  if (!question.after.empty()) {
    after = storage::RecordKey{keyspace, ring::token_of(question.after), question.after};
  }
  next_slice(std::make_shared<Scan>(Scan{store,
                                         loop,
                                         alive,
                                         keyspace,
                                         std::move(question),
                                         end,
                                         std::move(done),
                                         std::move(after),
                                         {},
                                         0}));
}

client::ConflictPage conflict_page(std::vector<ConflictPart> parts,
                                   const ConflictQuestion& question) {
  std::optional<Place> horizon;  // nullopt: all have looked at everything
  std::map<Place, VersionSet> merged;
  for (ConflictPart& part : parts) {
    if (!part.ended) {
      const Place to = place_of(part.scanned_to);
      if (!horizon || to < *horizon) horizon = to;
    }
    for (FoundConflict& row : part.rows) {
      const auto set = VersionSet::decode(row.set);
      if (set) merged[place_of(row.key)].merge(*set);
    }
  }
  client::ConflictPage page;
  for (const auto& [place, set] : merged) {
    if (horizon && *horizon < place) break;
    if (page.rows.size() == question.rows_most) {
      horizon = place_of(page.rows.back().key);  // cut: go on after the last row
      break;
    }
    auto versions = live_values(set);
    if (versions.size() > 1) page.rows.push_back({place.second, std::move(versions)});
  }
  if (horizon) page.next = horizon->second;
  return page;
}

}  // namespace parley::api
