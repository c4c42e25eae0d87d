#include "tests/sim/truth.h"

#include <algorithm>
#include <set>
#include <utility>

#include <xxhash.h>

#include "storage/sqlite_schema.h"
#include "storage/sqlite_statement.h"
#include "tests/sim/ledger.h"

namespace parley::sim {
namespace {

using replication::VersionSet;

constexpr const char* kScratch = "/truth";
constexpr const char* kDatabase = "parley.db";
constexpr std::size_t kNameMost = kValueMark.size() + 11;  // "write w4294967295;"

std::string name_of(WriteNumber number) { return "w" + std::to_string(number); }

// The writes whose values, or parts of them with the name, are in the file.
std::set<WriteNumber> names_in(const Bytes& file) {
  std::set<WriteNumber> out;
  for (std::size_t at = file.find(kValueMark); at != Bytes::npos;
       at = file.find(kValueMark, at + 1)) {
    if (const auto write = write_of(ByteView(file).substr(at, kNameMost))) out.insert(*write);
  }
  return out;
}

// docs/storage.md, Format: the checksum of a row, computed apart from the store that is judged.
std::uint64_t checksum_of(ByteView key, ByteView value) {
  const auto seed = XXH3_64bits(key.data(), key.size());
  const auto sum = XXH3_64bits_withSeed(value.data(), value.size(), seed);
  return sum == 0 ? 1 : sum;
}

// Columns digest and value of a row.
bool is_sound(const storage::Statement& row, ByteView key) {
  if (!row.is_number(0) || !row.is_blob(1) || row.number(0) == 0) return false;
  return checksum_of(key, row.blob(1)) == static_cast<std::uint64_t>(row.number(0));
}

}  // namespace

// The record and the hints of keys in one database.
class DiskReader {
 public:
  // Throws storage::SqliteError, as read() does.
  explicit DiskReader(const std::string& path)
      : connection_(storage::open_reading(path, SimVfs::kName)),
        record_(connection_, "SELECT digest, value FROM records WHERE keyspace=1 AND key=?"),
        hint_(connection_, "SELECT digest, value, target FROM hints WHERE keyspace=1 AND key=?") {}

  Result<DurableCopy> read(const std::string& key) {
    // The store's own checkpoints must not meet a snapshot left open here.
    const storage::StatementReset end_record(record_), end_hint(hint_);
    DurableCopy out;
    if (record_.with(ByteView(key)).step()) {
      out.condition = storage::Condition::Damaged;
      if (is_sound(record_, key)) {
        auto set = VersionSet::decode(record_.blob(1));
        if (!set) return set.error();
        out.condition = storage::Condition::Sound;
        out.record = std::move(*set);
      }
    }
    hint_.with(ByteView(key));
    while (hint_.step()) {
      if (!is_sound(hint_, key)) continue;
      const auto target = NodeId::from_bytes(hint_.blob(2));
      auto set = VersionSet::decode(hint_.blob(1));
      if (set && target) out.hints.push_back({*target, std::move(*set)});
    }
    return out;
  }
  // The next read finds what is in the file then, also where no log tells of a change (rot).
  void forget_pages() { sqlite3_db_release_memory(connection_.get()); }

 private:
  const storage::Connection connection_;
  storage::Statement record_, hint_;
};

Truth::Truth(SimVfs& vfs, History& history, Random random, std::uint64_t sampling)
    : vfs_(vfs),
      history_(history),
      random_(std::move(random)),
      sampling_(sampling),
      scratch_(random_.fork("scratch")) {
  vfs_.mount(kScratch, scratch_);
}

Truth::~Truth() = default;

void Truth::add(const std::string& address, const std::string& directory, SimDisk& disk) {
  nodes_.erase(address);
  nodes_.emplace(address, NodeDisk{directory, &disk, Synced(disk, kDatabase), nullptr, 0});
}

void Truth::committed(const std::string& address, const std::string& key,
                      const replication::VersionVector& context) {
  const auto node = nodes_.find(address);
  if (node != nodes_.end()) node->second.synced.committed(key, context);
}

void Truth::hint_gone(const std::string& address, const std::string& name) {
  const auto node = nodes_.find(address);
  if (node != nodes_.end()) node->second.synced.forget(name);
}

void Truth::lost(const std::string& address) {
  const auto node = nodes_.find(address);
  if (node != nodes_.end()) node->second.synced.forget();
}

Result<DurableCopy> Truth::look(const std::string& address, const std::string& key) {
  return look(address, std::vector{key}).front();
}

std::vector<Result<DurableCopy>> Truth::look(const std::string& address,
                                             const std::vector<std::string>& keys) {
  NodeDisk& node = nodes_.at(address);
  looks_ += keys.size();
  // Usually all that is written is durable: then the file itself can be read, and need not be
  // copied.
  if (node.disk->is_durable_as_read(kDatabase)) {
    // What is to fail, fails for the node.
    auto faults = std::exchange(node.disk->faults, {});
    auto copies = read(node.directory + "/" + kDatabase, keys, node.reader_of(node.disk->life()));
    node.disk->faults = std::move(faults);
    return copies;
  }
  std::unique_ptr<DiskReader> once;
  scratch_.restore(node.disk->durable_image());
  return read(std::string(kScratch) + "/" + kDatabase, keys, once);
}

std::unique_ptr<DiskReader>& Truth::NodeDisk::reader_of(std::uint64_t life) {
  if (reader_life != life) reader.reset();
  reader_life = life;
  return reader;
}

std::vector<Result<DurableCopy>> Truth::read(const std::string& path,
                                             const std::vector<std::string>& keys,
                                             std::unique_ptr<DiskReader>& reader) {
  std::vector<Result<DurableCopy>> out;
  try {
    if (!reader) reader = std::make_unique<DiskReader>(path);
    for (const std::string& key : keys) out.push_back(reader->read(key));
    reader->forget_pages();
  } catch (const storage::SqliteError& error) {
    reader.reset();
    out.resize(keys.size(), storage::open_error(path, error));
  }
  return out;
}

void Truth::forget(const std::string& address) { nodes_.erase(address); }

bool Truth::is_synced(const std::string& address, const std::string& name,
                      const replication::VersionVector& context) {
  const auto node = nodes_.find(address);
  return node != nodes_.end() && node->second.synced.covers(name, context);
}

bool Truth::bears_out(const std::string& address, const Claim& claim) {
  if (history_.losses().reach(address, claim.begun)) return true;
  if (!nodes_.contains(address)) return false;
  if (!claim.look && is_synced(address, claim.key, claim.context)) return true;
  const auto copy = look(address, claim.key);
  const bool readable = copy.ok() && copy->condition != storage::Condition::Damaged;
  if (!readable) return history_.losses().has(address);
  return copy->record.context().covers(claim.context) && shows_latest(claim.key, copy->record);
}

bool Truth::shows_latest(const std::string& key, const VersionSet& set) const {
  return !history_.last_writer_wins || history_.stamps.shows_latest(key, set);
}

bool Truth::hints(const std::string& address, const std::string& target, const Claim& claim) {
  if (!nodes_.contains(address)) return false;
  const bool synced = is_synced(address, hint_name(target, claim.key), claim.context);
  if (synced && !claim.look) return true;
  const auto copy = look(address, claim.key);
  return copy.ok() && std::any_of(copy->hints.begin(), copy->hints.end(), [&](const auto& hint) {
           const bool same = !address_of || address_of(hint.target) == target;
           return same && hint.set.context().covers(claim.context) &&
                  shows_latest(claim.key, hint.set);
         });
}

void Truth::judge(const WriteRecord& write, const client::WriteResult& result) {
  const bool look = random_.below(sampling_) == 0;
  const auto dot = parse_dot(result.version);
  if (write.memory || !dot) return;
  replication::VersionVector context;
  context.add(*dot);
  const Claim claim{write.key, context, write.begun, look};
  for (const auto& replica : result.replicas) {
    if (replica.state == "durable") {
      if (bears_out(replica.address, claim)) continue;
      history_.fail("untrue", write.key,
                    name_of(write.number) + " is said to be durable at " + replica.address +
                        ", and its disk does not have it");
    }
    if (replica.state == "hinted" && !hints_age) {
      // Delivered in the meantime, it is with its target.
      const std::string& holder = replica.hint_holder;
      if (history_.losses().reach(holder, write.begun)) continue;
      if (hints(holder, replica.address, claim)) continue;
      if (bears_out(replica.address, claim)) continue;
      history_.fail("untrue", write.key,
                    "a hint of " + name_of(write.number) + " for " + replica.address +
                        " is said to be kept by " + holder + ", and it is on no disk");
    }
  }
}

// A read whose count is a majority: as many replicas hold durably what it shows.
void Truth::judge(const ReadRecord& read) {
  if (!level_counts(read.level)) return;
  if (read.context.empty()) return;
  const auto& owners = history_.owners(read.key);
  const bool look = random_.below(sampling_) == 0;
  const Claim claim{read.key, read.context, read.begun, look};
  const auto synced = std::count_if(owners.begin(), owners.end(), [&](const auto& owner) {
    return is_synced(owner, claim.key, claim.context);
  });
  if (!look && static_cast<std::size_t>(synced) >= read.result.required) return;
  std::size_t holders = 0;
  for (const std::string& owner : owners) {
    if (bears_out(owner, claim)) ++holders;
  }
  if (holders >= read.result.required || owners.empty()) return;
  history_.fail("untrue", read.key,
                "a read at " + read.level + " showed what only " + std::to_string(holders) +
                    " replicas hold durably");
}

std::vector<std::optional<FinalState>> Truth::judge_end(const std::vector<std::string>& keys) {
  std::vector<Copies> copies(keys.size());
  for (const auto& [address, node] : nodes_) {
    auto looked = look(address, keys);
    for (std::size_t i = 0; i < keys.size(); ++i) copies[i].emplace(address, std::move(looked[i]));
  }
  std::vector<std::optional<FinalState>> out;
  for (std::size_t i = 0; i < keys.size(); ++i) out.push_back(judge_end(keys[i], copies[i]));
  return out;
}

std::optional<FinalState> Truth::judge_end(const std::string& key, const Copies& copies) {
  std::optional<VersionSet> first;
  for (const std::string& owner : history_.owners(key)) {
    if (!nodes_.contains(owner)) continue;
    const auto& copy = copies.at(owner);
    const bool sound = copy.ok() && copy->condition != storage::Condition::Damaged;
    if (!sound || (first && *first != copy->record)) {
      history_.fail("converge", key, "the disk of " + owner + " is unlike that of other owners");
      return std::nullopt;
    }
    first = copy->record;
  }
  if (!first) return std::nullopt;
  judge_strays(key, copies, *first);
  FinalState out;
  out.context = first->context();
  for (const auto& sibling : first->siblings()) {
    const auto write = history_.write_with(sibling.op);
    if (!write) {
      history_.fail("phantom", key, "the end has a sibling of an operation that nobody asked for");
      continue;
    }
    out.siblings.push_back({*write, sibling.dot, sibling.tombstone});
    if (!sibling.tombstone) out.elements.merge(elements_of(sibling.value));
  }
  return out;
}

// The ring is as it was: whoever is no owner has nothing. A hint may have come a moment ago, for an
// owner that was slow to ack, and then it says nothing new. What is kept for a node that never
// comes back stays; it may be all that there is of a write whose outcome is unknown.
void Truth::judge_strays(const std::string& key, const Copies& copies, const VersionSet& held) {
  const auto& owners = history_.owners(key);
  for (const auto& [address, copy] : copies) {
    if (!copy.ok()) continue;
    const bool owner = std::count(owners.begin(), owners.end(), address) > 0;
    if (!owner && copy->condition != storage::Condition::Missing) {
      history_.fail("stray", key, address + " holds a copy and is no owner");
    }
    for (const auto& hint : copy->hints) {
      if (held.context().covers(hint.set.context())) continue;
      if (address_of && !nodes_.contains(address_of(hint.target))) continue;
      history_.fail("stray", key, "a hint on the disk of " + address + " holds what no owner has");
    }
  }
}

// api/parley.capnp, Outcome.notWritten: no replica has it nor ever will. So no disk ever had it.
void Truth::judge_refused() {
  const auto& writes = history_.writes();
  for (const auto& [address, node] : nodes_) {
    std::set<WriteNumber> there;
    for (const auto& [name, file] : node.disk->files()) there.merge(names_in(file->written));
    for (const WriteNumber number : there) {
      if (number >= writes.size() || !writes[number].never()) continue;
      history_.fail("ghost", writes[number].key,
                    name_of(number) + " was not_written, and the disk of " + address + " had it");
    }
  }
}

}  // namespace parley::sim
