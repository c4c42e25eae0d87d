// Whether what the clients of one run were told can all be true. Takes the calls as they begin and
// end, judges each at once, and what is left at the end.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/defaults.h"
#include "tests/sim/key_model.h"
#include "tests/sim/losses.h"
#include "tests/sim/records.h"
#include "tests/sim/stamps.h"
#include "tests/sim/told.h"

namespace parley::sim {

// The version set of a key that all its replicas hold in the end.
struct FinalSibling {
  WriteNumber write = 0;
  replication::Dot dot;
  bool tombstone = false;
};
struct FinalState {
  std::vector<FinalSibling> siblings;
  replication::VersionVector context;
  std::set<WriteNumber> elements;  // of a set: all that its values hold
};

// One call, so that it can be held against its own deadline.
struct Call {
  Instant begun{};
  Duration timeout{};
};

class History {
 public:
  // To be filled in before its first call.
  WriteRecord& new_write(std::uint32_t client, std::string key, std::string level);
  void begin_write(WriteNumber number, Instant now);
  // Judges what it says at once.
  void end_write(WriteNumber number, const Call& call, client::WriteResult result, Instant now);
  std::size_t begin_read(std::uint32_t client, std::string key, std::string level, Instant now);
  void end_read(std::size_t number, const Call& call, client::ReadResult result, Instant now);

  // After healing and convergence: what every replica of the key holds.
  void judge_final(const std::string& key, const FinalState& state);

  // This disk has lost something (losses.h).
  void lost(const std::string& address, Instant now) { losses_.lost(address, now); }
  const Losses& losses() const { return losses_; }
  // It went back to an earlier day of the same life, which nobody can see: reads that count it may
  // go back with it, until it has all again (KeyModel).
  void went_back(const std::string& address, Instant now);
  // What this node has of a key now, durably.
  void holds(const std::string& address, const std::string& key,
             const replication::VersionVector& context, Instant now);

  // A process ended: what was sent to it may have been sent to another one too.
  void process_ended(Instant now) { ends_.push_back(now); }
  // In preference order, where known: receipts are held against them.
  void set_owners(const std::string& key, std::vector<std::string> owners) {
    owners_[key] = std::move(owners);
  }
  const std::vector<std::string>& owners(const std::string& key) const;
  std::vector<std::string> owned_by(const std::string& address) const;
  // Of the keyspace; a call at its default is judged by the level at which it was executed.
  Defaults defaults;
  // Its conflict rule; to be said before the first call. What then is shown goes by the stamps.
  bool last_writer_wins = false;
  // Has any node's clock been wrong? Then it may refuse to stamp a write. Null: it has.
  std::function<bool()> clocks_were_wrong;
  Stamps stamps;
  // Told of every write that ended, and of every read that ended well.
  std::function<void(const WriteRecord&, const client::WriteResult&)> on_write;
  std::function<void(const ReadRecord&)> on_read;
  void fail(std::string rule, const std::string& key, std::string what);

  WriteRecord& write(WriteNumber number) { return writes_.at(number); }
  const ReadRecord& read(std::size_t number) const { return reads_[number].record; }
  const std::vector<WriteRecord>& writes() const { return writes_; }
  std::optional<WriteNumber> write_with(const OpId& op) const;
  std::set<std::string> keys() const;
  const std::vector<Violation>& violations() const { return violations_; }
  // Who was told what about a key.
  std::vector<Told> timeline(const std::string& key) const;

 private:
  struct Reading {
    ReadRecord record;
    KeyModel::Snapshot then;
  };
  bool was_sent_once(const WriteRecord& write) const;
  bool lasts(const WriteRecord& write) const;
  void judge_clock_refusal(const WriteRecord& write, const client::WriteResult& result);
  void establish(const WriteRecord& write, const client::WriteResult& result);
  std::vector<KeyModel::SeenValue> take_values(ReadRecord& read);
  void judge_latest(const ReadRecord& read);
  void judge_latest(const std::string& key, const FinalState& state);
  void name(const std::string& key, const replication::Dot& dot, WriteNumber write);
  void check_deadline(const std::string& key, const char* what, const Call& call, Instant now);
  std::map<WriteNumber, std::vector<replication::Dot>> deletes_of(const std::string& key) const;
  bool may_have_seen(const WriteRecord& write, const WriteRecord& deletion,
                     const std::vector<replication::Dot>& dots) const;
  void judge_survivors(const std::string& key, const FinalState& state);
  void judge_replaced(const std::string& key, const FinalState& state);
  void judge_elements(const std::string& key, const FinalState& state);

  std::vector<WriteRecord> writes_;
  std::map<OpId, WriteNumber> by_op_;
  std::vector<Reading> reads_;
  std::map<std::string, KeyModel> models_;
  std::map<replication::Dot, WriteNumber> names_;
  std::map<std::string, std::vector<std::string>> owners_;
  std::vector<Instant> ends_;
  Losses losses_;
  std::string went_back_;  // one disk at most
  std::vector<Violation> violations_;
};

}  // namespace parley::sim
