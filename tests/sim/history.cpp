#include "tests/sim/history.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "tests/sim/receipts.h"

namespace parley::sim {
namespace {

// A call ends at its deadline (README, "From C++"); what ends it may be a turn behind.
constexpr Duration kDeadlineSlack = 5ms;

std::string seconds(Instant at) {
  std::ostringstream out;
  out.setf(std::ios::fixed);
  out.precision(3);
  out << to_seconds(at.time_since_epoch()) - 1000;
  return out.str();
}

std::string name_of(WriteNumber number) { return "w" + std::to_string(number); }

}  // namespace

void History::fail(std::string rule, const std::string& key, std::string what) {
  violations_.push_back({std::move(rule), key, std::move(what)});
}

const std::vector<std::string>& History::owners(const std::string& key) const {
  static const std::vector<std::string> kUnknown;
  const auto found = owners_.find(key);
  return found == owners_.end() ? kUnknown : found->second;
}

std::vector<std::string> History::owned_by(const std::string& address) const {
  std::vector<std::string> out;
  for (const auto& [key, owners] : owners_) {
    if (std::count(owners.begin(), owners.end(), address) > 0) out.push_back(key);
  }
  return out;
}

std::optional<WriteNumber> History::write_with(const OpId& op) const {
  const auto found = by_op_.find(op);
  if (found == by_op_.end()) return std::nullopt;
  return found->second;
}

WriteRecord& History::new_write(std::uint32_t client, std::string key, std::string level) {
  WriteRecord record;
  record.number = static_cast<WriteNumber>(writes_.size());
  record.client = client;
  record.key = std::move(key);
  record.level = std::move(level);
  writes_.push_back(std::move(record));
  return writes_.back();
}

void History::begin_write(WriteNumber number, Instant now) {
  WriteRecord& write = writes_.at(number);
  if (write.calls == 0) {
    write.begun = now;
    write.at_default = write.level.empty();
    by_op_.emplace(write.op, number);
  }
  ++write.calls;
  ++write.open;
  models_[write.key].begun(write);
}

void History::end_write(WriteNumber number, const Call& call, client::WriteResult result,
                        Instant now) {
  WriteRecord& write = writes_.at(number);
  check_deadline(write.key, "a write", call, now);
  --write.open;
  write.ended = now;
  const std::string level = write.level;
  if (write.at_default && !result.level.empty()) {
    if (!defaults.may_write_at(result.level)) {
      fail("receipt", write.key, "nobody made " + result.level + " the default of writes");
    }
    write.level = result.level;
  }
  write.refused_only = write.refused_only && result.outcome == client::Outcome::NotWritten;
  for (const std::string& line : judge_receipt(write, result, owners(write.key))) {
    fail("receipt", write.key, name_of(number) + ": " + line);
  }
  if (const auto dot = parse_dot(result.version)) name(write.key, *dot, number);
  const bool ok = result.outcome == client::Outcome::Ok;
  judge_clock_refusal(write, result);
  if (ok && !write.memory && level_counts(write.level)) establish(write, result);
  if (write.never()) models_[write.key].refused(write);
  if (on_write) on_write(write, result);
  const bool first_ok = ok && !write.ok();
  if (!write.ok()) write.result = std::move(result);
  if (first_ok) write.acked = now;
  // Other calls of it may have other levels; the one that was ok makes the promise.
  if (!first_ok) write.level = level;
}

// docs/versions.md: who makes no stamps.
void History::judge_clock_refusal(const WriteRecord& write, const client::WriteResult& result) {
  if (!result.error || result.error->code != ErrorCode::ClockSkew) return;
  if (last_writer_wins && (!clocks_were_wrong || clocks_were_wrong())) return;
  fail("receipt", write.key,
       name_of(write.number) + (last_writer_wins ? " was refused for a clock that was right"
                                                 : " was refused for a stamp that nobody needs"));
}

void History::establish(const WriteRecord& write, const client::WriteResult& result) {
  auto context = vector_of(result.context);
  if (!context) return;  // said by the receipt's judge
  KeyModel& model = models_[write.key];
  const auto dot = parse_dot(result.version);
  if (last_writer_wins) {
    // A later one may discard it whoever had seen it; but everybody has seen it.
    if (dot) context->add(*dot);
  } else {
    model.must_be_shown(write);
  }
  model.established(write, *context, dot);
}

std::size_t History::begin_read(std::uint32_t client, std::string key, std::string level,
                                Instant now) {
  Reading reading;
  reading.record.client = client;
  reading.record.key = std::move(key);
  reading.record.level = std::move(level);
  reading.record.begun = now;
  if (level_counts(reading.record.level)) {
    reading.then = models_[reading.record.key].now();
  }
  reads_.push_back(std::move(reading));
  return reads_.size() - 1;
}

void History::end_read(std::size_t number, const Call& call, client::ReadResult result,
                       Instant now) {
  Reading& reading = reads_.at(number);
  ReadRecord& read = reading.record;
  check_deadline(read.key, "a read", call, now);
  read.done = true;
  read.ended = now;
  read.result = std::move(result);
  const auto context = vector_of(read.result.context);
  if (!context) return fail("context", read.key, "a read's context cannot be decoded");
  read.context = *context;
  if (read.level.empty() && !read.result.level.empty()) {
    if (!defaults.may_read_at(read.result.level)) {
      fail("receipt", read.key, "nobody made " + read.result.level + " the default of reads");
    }
    read.level = read.result.level;
  }
  for (const std::string& line : judge_receipt(read, owners(read.key))) {
    fail("receipt", read.key, "a read at " + read.level + ": " + line);
  }
  if (read.result.outcome != client::Outcome::Ok) return;
  const auto values = take_values(read);
  if (last_writer_wins) judge_latest(read);
  if (level_counts(read.level)) {
    KeyModel& model = models_[read.key];
    for (const auto& one : model.judge_read(read, reading.then, values)) {
      fail(one.rule, read.key,
           "a read at " + read.level + " begun at " + seconds(read.begun) + " " + one.what +
               "; it saw " + text_of(read.saw));
    }
  }
  if (on_read) on_read(read);
  for (auto& value : read.result.values) value.value.clear();  // judged, and may be large
}

// What the values of a read are: writes of this key, whole, each once.
std::vector<KeyModel::SeenValue> History::take_values(ReadRecord& read) {
  std::vector<KeyModel::SeenValue> out;
  for (const auto& value : read.result.values) {
    const auto number = write_of(value.value);
    if (!number || *number >= writes_.size() || writes_[*number].key != read.key ||
        writes_[*number].is_delete || hash64(value.value) != writes_[*number].value_hash) {
      fail("phantom", read.key, "a read returned bytes that nobody wrote");
      continue;
    }
    // docs/decisions/0004: readers see an operation once.
    if (!read.saw.insert(*number).second) {
      fail("twice", read.key, "a read at " + read.level + " shows " + name_of(*number) + " twice");
    }
    if (writes_[*number].never()) {
      fail("ghost", read.key, "a read saw " + name_of(*number) + ", which was not_written");
    }
    for (const WriteNumber one : writes_[*number].elements) read.elements.insert(one);
    const auto dot = parse_dot(value.version);
    if (!dot) continue;  // said by the receipt's judge
    name(read.key, *dot, *number);
    out.push_back({*dot, *number});
  }
  return out;
}

// docs/versions.md: what merges leave is the same in any order, so it goes by the context alone,
// whoever answered.
void History::judge_latest(const ReadRecord& read) {
  const Stamps::Write* latest = stamps.latest(read.key, read.context);
  const auto& values = read.result.values;
  const bool nothing = latest == nullptr ? read.context.empty() : latest->tombstone;
  const bool right = nothing ? values.empty()
                             : latest != nullptr && values.size() == 1 &&
                                   values.front().version == to_text(latest->dot);
  if (right) return;
  fail("latest", read.key,
       "a read at " + read.level + " shows " + text_of(read.saw) +
           "; the last write that it had seen is " +
           (latest == nullptr ? std::string("none") : to_text(*latest)));
}

// docs/versions.md: a dot names one write for ever.
void History::name(const std::string& key, const replication::Dot& dot, WriteNumber write) {
  const auto [at, fresh] = names_.emplace(dot, write);
  if (fresh || at->second == write) return;
  fail("dot", key,
       to_text(dot) + " names " + name_of(at->second) + " of " + writes_[at->second].key + " and " +
           name_of(write));
  at->second = write;  // said once
}

void History::check_deadline(const std::string& key, const char* what, const Call& call,
                             Instant now) {
  if (now - call.begun <= call.timeout + kDeadlineSlack) return;
  fail("deadline", key,
       std::string(what) + " begun at " + seconds(call.begun) + " took " +
           std::to_string(to_millis(now - call.begun)) + " ms with a timeout of " +
           std::to_string(to_millis(call.timeout)));
}

// Before any retry or hedge: a second copy of it, under the same op-id, may be minted after the
// write that replaced the first. That a late retry may return is said in the promises.
bool History::was_sent_once(const WriteRecord& write) const {
  if (write.calls != 1 || write.open > 0 || write.ended - write.begun >= 15ms) return false;
  return std::none_of(ends_.begin(), ends_.end(),
                      [&write](Instant end) { return end >= write.begun && end <= write.ended; });
}

// Must its effect be there in the end? A hint may age away once its write is elsewhere, so it
// keeps nothing where disks lose what they had.
bool History::lasts(const WriteRecord& write) const {
  if (!write.ok() || write.memory) return false;
  if (losses_.none() || level_counts(write.level)) return true;
  const auto& replicas = write.result.replicas;
  return std::any_of(replicas.begin(), replicas.end(), [&](const auto& replica) {
    return replica.state == "durable" && !losses_.reach(replica.address, write.begun);
  });
}

void History::went_back(const std::string& address, Instant now) {
  went_back_ = address;
  for (const std::string& key : owned_by(address)) models_[key].went_back(now);
}

void History::holds(const std::string& address, const std::string& key,
                    const replication::VersionVector& context, Instant now) {
  if (address != went_back_) return;
  const auto model = models_.find(key);
  if (model != models_.end()) model->second.regained(context, now);
}

void History::judge_final(const std::string& key, const FinalState& state) {
  for (const FinalSibling& sibling : state.siblings) {
    name(key, sibling.dot, sibling.write);
    if (writes_[sibling.write].key != key) {
      fail("phantom", key, "the end has " + name_of(sibling.write) + " of another key");
    }
    if (writes_[sibling.write].never()) {
      fail("ghost", key, "the end has " + name_of(sibling.write) + ", which was not_written");
    }
  }
  last_writer_wins ? judge_latest(key, state) : judge_survivors(key, state);
  judge_replaced(key, state);
  judge_elements(key, state);
}

std::map<WriteNumber, std::vector<replication::Dot>> History::deletes_of(
    const std::string& key) const {
  std::map<WriteNumber, std::vector<replication::Dot>> out;
  for (const WriteRecord& write : writes_) {
    if (write.key == key && write.is_delete && !write.never()) out[write.number];
  }
  for (const auto& [dot, write] : names_) {
    const auto found = out.find(write);
    if (found != out.end()) found->second.push_back(dot);
  }
  return out;
}

// Reads do not show deletes, so the context says it; of one whose dots are not all known, the time.
bool History::may_have_seen(const WriteRecord& write, const WriteRecord& deletion,
                            const std::vector<replication::Dot>& dots) const {
  const bool covered = std::any_of(dots.begin(), dots.end(),
                                   [&write](const auto& dot) { return write.seen.covers(dot); });
  const bool all_known = !dots.empty() && was_sent_once(deletion);
  return covered || (!all_known && deletion.begun <= write.begun);
}

// Every ok write is live, or was seen by the writer of a write that is, or by that of one which ...
void History::judge_survivors(const std::string& key, const FinalState& state) {
  std::set<WriteNumber> explained;
  std::vector<WriteNumber> open;
  const auto take = [&](WriteNumber number) {
    if (explained.insert(number).second) open.push_back(number);
  };
  for (const FinalSibling& sibling : state.siblings) take(sibling.write);
  const auto deletes = deletes_of(key);
  while (!open.empty()) {
    const WriteRecord& write = writes_[open.back()];
    open.pop_back();
    for (const WriteNumber one : write.replaces) take(one);
    for (const auto& [number, dots] : deletes) {
      if (may_have_seen(write, writes_[number], dots)) take(number);
    }
  }
  for (const WriteRecord& write : writes_) {
    if (write.key != key || !lasts(write)) continue;
    const auto dot = parse_dot(write.result.version);
    if (explained.contains(write.number) && dot && state.context.covers(*dot)) continue;
    fail("lost", key,
         name_of(write.number) + " was ok at " + write.level +
             " and is gone: nothing that is left had seen it");
  }
}

// Every ok write was seen, and the last that was seen is what is left.
void History::judge_latest(const std::string& key, const FinalState& state) {
  const Stamps::Write* latest = stamps.latest(key, state.context);
  const auto& live = state.siblings;
  const bool right = latest == nullptr ? live.empty() && state.context.empty()
                                       : live.size() == 1 && live.front().dot == latest->dot &&
                                             live.front().tombstone == latest->tombstone;
  if (!right) {
    fail("latest", key,
         "the end has " + std::to_string(live.size()) +
             " siblings, and not the last write alone: " +
             (latest == nullptr ? std::string("none") : to_text(*latest)));
  }
  for (const WriteRecord& write : writes_) {
    if (write.key != key || !lasts(write)) continue;
    const auto dot = parse_dot(write.result.version);
    if (dot && state.context.covers(*dot)) continue;
    fail("lost", key,
         name_of(write.number) + " was ok at " + write.level + " and the end has not seen it");
  }
}

// No sibling that the context of an ok write, or of another sibling, covers.
void History::judge_replaced(const std::string& key, const FinalState& state) {
  std::set<WriteNumber> effective;
  for (const FinalSibling& sibling : state.siblings) effective.insert(sibling.write);
  for (const WriteRecord& write : writes_) {
    if (write.key == key && lasts(write)) effective.insert(write.number);
  }
  for (const FinalSibling& sibling : state.siblings) {
    if (!state.context.covers(sibling.dot)) {
      fail("context", key, name_of(sibling.write) + " is live and not in the context of its set");
    }
    for (const WriteNumber number : effective) {
      const WriteRecord& by = writes_[number];
      const bool covered = by.seen.covers(sibling.dot);
      // Another dot than the one that was seen: a late retry.
      const bool again =
          by.replaces.contains(sibling.write) && was_sent_once(writes_[sibling.write]);
      if (!covered && !again) continue;
      fail("resurrected", key,
           name_of(sibling.write) + (sibling.tombstone ? ", a delete," : "") +
               " is there although " + name_of(number) + " replaced it");
    }
  }
}

// A set's adds: each writer put back all that it had seen, so nothing acknowledged is missing.
// Where the last writer wins, what it had not seen is.
void History::judge_elements(const std::string& key, const FinalState& state) {
  for (const WriteRecord& write : writes_) {
    if (last_writer_wins || write.key != key || write.elements.empty() || !lasts(write)) continue;
    if (state.elements.contains(write.number)) continue;
    fail("set", key, "the element of " + name_of(write.number) + ", which was ok, is missing");
  }
  for (const WriteNumber one : state.elements) {
    if (one < writes_.size() && writes_[one].key == key && !writes_[one].never()) continue;
    fail("set", key, "an element that nobody added: " + std::to_string(one));
  }
}

std::set<std::string> History::keys() const {
  std::set<std::string> out;
  for (const WriteRecord& write : writes_) out.insert(write.key);
  return out;
}

std::vector<Told> History::timeline(const std::string& key) const {
  std::vector<Told> lines;
  const auto add = [&](Instant at, const std::string& line) { lines.push_back({at, line}); };
  for (const WriteRecord& write : writes_) {
    if (write.key != key) continue;
    const std::string who = "client " + std::to_string(write.client) + " " +
                            (write.is_delete ? "del " : "put ") + name_of(write.number);
    add(write.begun, who + " at " + write.level + (write.memory ? " in memory" : "") +
                         " replacing " + text_of(write.replaces));
    if (write.open == write.calls) continue;
    std::string told = who + " -> " + text_of(write.result.outcome) + " " + write.result.version;
    if (write.calls > 1) told += " after " + std::to_string(write.calls) + " calls";
    if (write.result.error) told += ": " + write.result.error->message;
    for (const auto& replica : write.result.replicas) {
      told += " " + replica.address + "=" + replica.state;
    }
    add(write.acked.value_or(write.ended), told);
  }
  for (const Reading& reading : reads_) {
    const ReadRecord& read = reading.record;
    if (read.key != key || !read.done) continue;
    std::string told = "client " + std::to_string(read.client) + " get at " + read.level + " -> " +
                       text_of(read.result.outcome) + " " + text_of(read.saw);
    if (read.result.error) told += ": " + read.result.error->message;
    told += " (begun " + seconds(read.begun) + ")";
    add(read.ended, told);
  }
  return lines;
}

}  // namespace parley::sim
