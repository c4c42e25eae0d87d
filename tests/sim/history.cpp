#include "tests/sim/history.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/check.h"

namespace parley::sim {
namespace {

constexpr std::size_t kTokenHead = 17;  // format and seal (replication/context_token.h)

bool level_counts(const std::string& level, std::size_t majority) {
  if (level == "quorum" || level == "all") return true;
  return level.size() == 1 && level[0] >= '1' && level[0] <= '9' &&
         static_cast<std::size_t>(level[0] - '0') >= majority;
}

std::string text_of(const std::set<WriteNumber>& writes) {
  std::string out = "{";
  for (const WriteNumber one : writes) out += (out.size() > 1 ? " w" : "w") + std::to_string(one);
  return out + "}";
}

const char* text_of(client::Outcome outcome) {
  switch (outcome) {
    case client::Outcome::Ok: return "ok";
    case client::Outcome::NotWritten: return "not_written";
    case client::Outcome::Unknown: return "unknown";
  }
  PARLEY_UNREACHABLE();
}

std::string seconds(Instant at) {
  std::ostringstream out;
  out.setf(std::ios::fixed);
  out.precision(3);
  out << to_seconds(at.time_since_epoch()) - 1000;
  return out.str();
}

}  // namespace

Bytes value_of(WriteNumber number, std::size_t size) {
  Bytes value = "w" + std::to_string(number) + ";";
  if (value.size() < size) value.resize(size, '.');
  return value;
}

std::optional<WriteNumber> write_of(ByteView value) {
  const auto end = value.find(';');
  if (value.empty() || value[0] != 'w' || end == ByteView::npos || end < 2) return std::nullopt;
  WriteNumber number = 0;
  for (const char digit : value.substr(1, end - 1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = number * 10 + static_cast<WriteNumber>(digit - '0');
  }
  return number;
}

std::optional<replication::VersionVector> vector_of(ByteView token) {
  if (token.size() < kTokenHead) return std::nullopt;
  auto vector = replication::decode_context(token.substr(kTokenHead));
  if (!vector) return std::nullopt;
  return *vector;
}

void History::fail(std::string rule, const std::string& key, std::string what) {
  violations_.push_back({std::move(rule), key, std::move(what)});
}

replication::VersionVector& History::floor_of(const std::string& key) {
  for (Floor& floor : floors_) {
    if (floor.key == key) return floor.vector;
  }
  floors_.push_back({key, {}});
  return floors_.back().vector;
}

WriteRecord& History::begin_write(std::uint32_t client, std::string key, std::string level,
                                  Instant now) {
  WriteRecord record;
  record.number = static_cast<WriteNumber>(writes_.size());
  record.client = client;
  record.key = std::move(key);
  record.level = std::move(level);
  record.begun = now;
  writes_.push_back(std::move(record));
  return writes_.back();
}

void History::end_write(WriteNumber number, client::WriteResult result, Instant now) {
  WriteRecord& write = writes_.at(number);
  write.done = true;
  write.ended = now;
  write.result = std::move(result);
  const bool counted = write.result.outcome == client::Outcome::Ok && !write.memory &&
                       level_counts(write.level, majority_);
  if (!counted) return;
  const auto vector = vector_of(write.result.context);
  if (!vector) return fail("receipt", write.key, "an ok write has no readable context");
  floor_of(write.key).merge(*vector);
}

std::size_t History::begin_read(std::uint32_t client, std::string key, std::string level,
                                Instant now) {
  Reading reading;
  reading.record.client = client;
  reading.record.key = std::move(key);
  reading.record.level = std::move(level);
  reading.record.begun = now;
  if (level_counts(reading.record.level, majority_)) reading.floor = floor_of(reading.record.key);
  reads_.push_back(std::move(reading));
  return reads_.size() - 1;
}

void History::end_read(std::size_t number, client::ReadResult result, Instant now) {
  Reading& reading = reads_.at(number);
  ReadRecord& read = reading.record;
  read.done = true;
  read.ended = now;
  read.result = std::move(result);
  if (read.result.outcome != client::Outcome::Ok) return;
  for (const auto& value : read.result.values) {
    const auto write = write_of(value.value);
    if (!write || *write >= writes_.size() || writes_[*write].key != read.key) {
      fail("phantom", read.key, "a read returned bytes that nobody wrote");
      continue;
    }
    read.saw.insert(*write);
  }
  check_seen(read.key, read.saw, "a read");
  if (!level_counts(read.level, majority_) || reads_may_go_back) return;
  const auto vector =
      read.result.context.empty() ? replication::VersionVector{} : vector_of(read.result.context);
  if (!vector) return fail("context", read.key, "a read's context cannot be decoded");
  if (!vector->covers(reading.floor)) {
    fail("backwards", read.key,
         "a read at " + read.level + " begun at " + seconds(read.begun) + " saw " +
             text_of(read.saw) + ", less than what an earlier one or an ok write had established");
  }
  floor_of(read.key).merge(*vector);
}

// Before any retry or hedge: a second copy of it, under the same op-id, may be minted after the
// write that replaced the first. That a late retry may return is said in the promises.
bool History::was_sent_once(const WriteRecord& write) const {
  if (!write.done || write.ended - write.begun >= 15ms) return false;
  return std::none_of(ends_.begin(), ends_.end(),
                      [&write](Instant end) { return end >= write.begun && end <= write.ended; });
}

void History::check_seen(const std::string& key, const std::set<WriteNumber>& seen,
                         const char* where) {
  for (const WriteNumber number : seen) {
    const WriteRecord& write = writes_[number];
    if (write.done && write.result.outcome == client::Outcome::NotWritten) {
      fail("ghost", key,
           std::string(where) + " saw w" + std::to_string(number) + ", which was not_written");
    }
  }
}

void History::judge_final(const std::string& key, const std::set<WriteNumber>& values) {
  check_seen(key, values, "the end");
  for (const WriteRecord& write : writes_) {
    if (write.key != key) continue;
    const bool ok = write.done && write.result.outcome == client::Outcome::Ok;
    const bool lasting =
        ok && !write.memory && (!minority_may_be_lost || level_counts(write.level, majority_));
    if (lasting) {
      for (const WriteNumber replaced : write.replaces) {
        if (values.contains(replaced) && was_sent_once(writes_[replaced])) {
          fail("resurrected", key,
               "w" + std::to_string(replaced) + " is back although w" +
                   std::to_string(write.number) + " replaced it");
        }
      }
    }
    if (!lasting || write.is_delete || values.contains(write.number)) continue;
    const bool replaced = std::any_of(writes_.begin(), writes_.end(), [&](const auto& other) {
      const bool never = other.done && other.result.outcome == client::Outcome::NotWritten;
      return other.key == key && !never && other.replaces.contains(write.number);
    });
    if (!replaced) {
      fail("lost", key,
           "w" + std::to_string(write.number) + " was ok at " + write.level + " and is gone");
    }
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
                            (write.is_delete ? "del" : "put") + " w" + std::to_string(write.number);
    add(write.begun, who + " at " + write.level + " replacing " + text_of(write.replaces));
    if (!write.done) continue;
    std::string told = who + " -> " + text_of(write.result.outcome);
    if (write.result.error) told += ": " + write.result.error->message;
    for (const auto& replica : write.result.replicas) {
      told += " " + replica.address + "=" + replica.state;
    }
    add(write.ended, told);
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
