// What the clients of one run were told, and whether it can all be true. Every value is the name
// of its write, so that a read names the writes that it saw.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/client.h"
#include "base/units.h"
#include "replication/version.h"
#include "tests/sim/told.h"

namespace parley::sim {

using WriteNumber = std::uint32_t;

struct WriteRecord {
  WriteNumber number = 0;
  std::uint32_t client = 0;
  std::string key;
  bool is_delete = false;
  bool memory = false;  // outside the promises about crashes
  std::string level;
  std::set<WriteNumber> replaces;  // what the read saw whose context it carries
  Instant begun{}, ended{};
  bool done = false;
  client::WriteResult result;
};

struct ReadRecord {
  std::uint32_t client = 0;
  std::string key;
  std::string level;
  Instant begun{}, ended{};
  bool done = false;
  client::ReadResult result;
  std::set<WriteNumber> saw;
};

struct Violation {
  std::string rule;
  std::string key;
  std::string what;
};

Bytes value_of(WriteNumber number, std::size_t size);
std::optional<WriteNumber> write_of(ByteView value);

// The vector inside a token, whose seal is not checked here.
std::optional<replication::VersionVector> vector_of(ByteView token);

class History {
 public:
  // `majority` of the replicas of a key: reads and writes of as many never go backwards.
  explicit History(std::size_t majority) : majority_(majority) {}

  WriteRecord& begin_write(std::uint32_t client, std::string key, std::string level, Instant now);
  void end_write(WriteNumber number, client::WriteResult result, Instant now);
  std::size_t begin_read(std::uint32_t client, std::string key, std::string level, Instant now);
  // Judges it at once.
  void end_read(std::size_t number, client::ReadResult result, Instant now);

  // After healing and convergence: what every replica of the key holds.
  void judge_final(const std::string& key, const std::set<WriteNumber>& values);

  // A disk has lost what it alone had: only what a majority acknowledged is promised.
  bool minority_may_be_lost = false;
  // A disk went back to an earlier day of the same life, which nobody can see from outside: until
  // anti-entropy has been there, reads may go back with it.
  bool reads_may_go_back = false;

  // A process ended: what was sent to it may have been sent to another one too.
  void process_ended(Instant now) { ends_.push_back(now); }

  const ReadRecord& read(std::size_t number) const { return reads_[number].record; }
  const std::vector<WriteRecord>& writes() const { return writes_; }
  std::set<std::string> keys() const;
  const std::vector<Violation>& violations() const { return violations_; }
  // Who was told what about a key.
  std::vector<Told> timeline(const std::string& key) const;

 private:
  // What reads that begin now must cover.
  struct Floor {
    std::string key;
    replication::VersionVector vector;
  };
  struct Reading {
    ReadRecord record;
    replication::VersionVector floor;
  };
  bool was_sent_once(const WriteRecord& write) const;
  void fail(std::string rule, const std::string& key, std::string what);
  void check_seen(const std::string& key, const std::set<WriteNumber>& seen, const char* where);
  replication::VersionVector& floor_of(const std::string& key);

  const std::size_t majority_;
  std::vector<WriteRecord> writes_;
  std::vector<Reading> reads_;
  std::vector<Floor> floors_;
  std::vector<Instant> ends_;
  std::vector<Violation> violations_;
};

}  // namespace parley::sim
