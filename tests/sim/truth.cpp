#include "tests/sim/truth.h"

#include <algorithm>
#include <set>
#include <utility>

#include "replication/level.h"
#include "ring/ring.h"
#include "storage/sqlite_rows.h"
#include "storage/sqlite_schema.h"
#include "storage/sqlite_statement.h"

namespace parley::sim {
namespace {

using replication::VersionSet;

constexpr const char* kScratch = "/truth";
constexpr const char* kDatabase = "parley.db";
constexpr std::size_t kReplicas = 3;
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

// The record and the hints of a key in an open database.
class KeyReader {
 public:
  explicit KeyReader(const storage::Connection& connection)
      : record_(connection,
                "SELECT digest, value FROM records WHERE keyspace=1 AND token=? AND key=?"),
        hint_(connection,
              "SELECT digest, value FROM hints WHERE keyspace=1 AND token=? AND key=?") {}

  Result<DurableCopy> read(const std::string& key) {
    DurableCopy out;
    const auto token = storage::stored_token(ring::token_of(key));
    if (record_.with(token, ByteView(key)).step()) {
      const auto row = storage::load_row(record_, 0, 1, key);
      out.condition = row.found.condition;
      if (row.found.condition == storage::Condition::Sound) {
        auto set = VersionSet::decode(row.found.value);
        if (!set) return set.error();
        out.record = std::move(*set);
      }
    }
    hint_.with(token, ByteView(key));
    while (hint_.step()) {
      const auto row = storage::load_row(hint_, 0, 1, key);
      if (row.found.condition != storage::Condition::Sound) continue;
      if (auto set = VersionSet::decode(row.found.value)) out.hints.push_back(std::move(*set));
    }
    return out;
  }

 private:
  storage::Statement record_, hint_;
};

std::vector<Result<DurableCopy>> read_file(const std::string& path,
                                           const std::vector<std::string>& keys) {
  std::vector<Result<DurableCopy>> out;
  try {
    const auto connection = storage::open_reading(path, SimVfs::kName);
    KeyReader reader(connection);
    for (const std::string& key : keys) out.push_back(reader.read(key));
  } catch (const storage::SqliteError& error) {
    out.resize(keys.size(), storage::open_error(path, error));
  }
  return out;
}

}  // namespace

Truth::Truth(SimVfs& vfs, History& history, Random random, std::uint64_t sampling)
    : vfs_(vfs),
      history_(history),
      random_(std::move(random)),
      sampling_(sampling),
      scratch_(random_.fork("scratch")) {
  vfs_.mount(kScratch, scratch_);
}

void Truth::add(const std::string& address, const std::string& directory, SimDisk& disk) {
  nodes_[address] = {directory, &disk};
}

Result<DurableCopy> Truth::look(const std::string& address, const std::string& key) {
  return look(address, std::vector{key}).front();
}

std::vector<Result<DurableCopy>> Truth::look(const std::string& address,
                                             const std::vector<std::string>& keys) {
  const NodeDisk& node = nodes_.at(address);
  looks_ += keys.size();
  // Usually all that is written is durable: then the file itself can be read, and need not be
  // copied.
  if (node.disk->is_durable_as_read(kDatabase)) {
    // What is to fail, fails for the node.
    auto fault = std::exchange(node.disk->fault, nullptr);
    auto copies = read_file(node.directory + "/" + kDatabase, keys);
    node.disk->fault = std::move(fault);
    return copies;
  }
  scratch_.restore(node.disk->durable_image());
  return read_file(std::string(kScratch) + "/" + kDatabase, keys);
}

void Truth::forget(const std::string& address) { nodes_.erase(address); }

bool Truth::holds(const std::string& address, const std::string& key, const replication::Dot& dot) {
  const auto copy = look(address, key);
  return copy.ok() && copy->record.context().covers(dot);
}

bool Truth::hints(const std::string& address, const std::string& key, const replication::Dot& dot) {
  const auto copy = look(address, key);
  return copy.ok() && std::any_of(copy->hints.begin(), copy->hints.end(),
                                  [&dot](const auto& set) { return set.context().covers(dot); });
}

void Truth::judge(const WriteRecord& write, const client::WriteResult& result) {
  if (copies_may_go || write.memory || random_.below(sampling_) != 0) return;
  const auto dot = parse_dot(result.version);
  if (!dot) return;
  for (const auto& replica : result.replicas) {
    const bool known = nodes_.contains(replica.address);
    if (replica.state == "durable") {
      if (known && holds(replica.address, write.key, *dot)) continue;
      history_.fail("untrue", write.key,
                    name_of(write.number) + " is said to be durable at " + replica.address +
                        ", and its disk does not have it");
    }
    if (replica.state == "hinted" && !hints_age) {
      // Delivered in the meantime, it is with its target.
      if (nodes_.contains(replica.hint_holder) && known &&
          (hints(replica.hint_holder, write.key, *dot) ||
           holds(replica.address, write.key, *dot))) {
        continue;
      }
      history_.fail("untrue", write.key,
                    "a hint of " + name_of(write.number) + " for " + replica.address +
                        " is said to be kept by " + replica.hint_holder + ", and it is on no disk");
    }
  }
}

// A read whose count is a majority: as many replicas hold durably what it shows.
void Truth::judge(const ReadRecord& read) {
  const std::size_t majority = replication::majority_of(kReplicas);
  if (copies_may_go || !level_counts(read.level, majority)) return;
  if (read.context.empty() || random_.below(sampling_) != 0) return;
  std::size_t holders = 0;
  for (const std::string& owner : history_.owners(read.key)) {
    const auto copy = look(owner, read.key);
    if (copy.ok() && copy->record.context().covers(read.context)) ++holders;
  }
  if (holders >= read.result.required || history_.owners(read.key).empty()) return;
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
// owner that was slow to ack, and then it says nothing new.
void Truth::judge_strays(const std::string& key, const Copies& copies, const VersionSet& held) {
  const auto& owners = history_.owners(key);
  for (const auto& [address, copy] : copies) {
    if (!copy.ok()) continue;
    const bool owner = std::count(owners.begin(), owners.end(), address) > 0;
    if (!owner && copy->condition != storage::Condition::Missing) {
      history_.fail("stray", key, address + " holds a copy and is no owner");
    }
    for (const auto& hint : copy->hints) {
      if (held.context().covers(hint.context())) continue;
      history_.fail("stray", key, "a hint on the disk of " + address + " holds what no owner has");
    }
  }
}

// api/parley.capnp, Outcome.notWritten: no replica has it nor ever will. So no disk ever had it.
void Truth::judge_refused() {
  if (rollbacks) return;
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
