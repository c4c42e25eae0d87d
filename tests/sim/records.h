// What clients did and were told, call by call. Every value is the name of its write, so that a
// read names the writes that it saw.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/client.h"
#include "base/units.h"
#include "replication/version.h"

namespace parley::sim {

using WriteNumber = std::uint32_t;

// One logical write: a retry under its op-id is another call of it.
struct WriteRecord {
  WriteNumber number = 0;
  std::uint32_t client = 0;
  std::string key;
  std::string level;  // at the default: that of the first ok call, "" before
  bool at_default = false;
  bool is_delete = false;
  bool memory = false;  // outside the promises about crashes
  bool forged = false;  // its context is another key's, or damaged: nobody may take it
  OpId op;
  replication::VersionVector seen;  // what its context covers
  std::set<WriteNumber> replaces;   // what was seen by whoever got that context
  std::uint64_t value_hash = 0;     // of all its bytes
  std::set<WriteNumber> elements;   // of a set: what the value holds, its own number included

  unsigned calls = 0, open = 0;  // begun; not ended
  Instant begun{}, ended{};      // of the first; of the last that ended
  Instant deadline{};            // of the call that may last longest
  std::optional<Instant> acked;  // the first ok
  bool refused_only = true;
  client::WriteResult result;  // of the first ok call, else of the last that ended

  bool ok() const { return acked.has_value(); }
  bool never() const { return calls > 0 && open == 0 && refused_only; }
};

struct ReadRecord {
  std::uint32_t client = 0;
  std::string key;
  std::string level;
  Instant begun{}, ended{};
  bool done = false;
  client::ReadResult result;
  replication::VersionVector context;
  std::set<WriteNumber> saw;
  std::set<WriteNumber> elements;  // of a set: all that its values hold
};

struct Violation {
  std::string rule;
  std::string key;
  std::string what;
};

// What every value begins with: long enough that no digest or token on a disk looks like it.
inline constexpr std::string_view kValueMark = "write w";
// "write w12;....", of a set "write w12;3,5,12,".
Bytes value_of(WriteNumber number, std::size_t size);
Bytes set_value_of(WriteNumber number, const std::set<WriteNumber>& elements);
std::optional<WriteNumber> write_of(ByteView value);
std::set<WriteNumber> elements_of(ByteView value);

// The vector inside a token, whose seal is not checked here; of an empty one: nothing.
std::optional<replication::VersionVector> vector_of(ByteView token);
// As replication::to_text() writes it.
std::optional<replication::Dot> parse_dot(const std::string& text);

// Does it take part in the promises of a majority?
bool level_counts(const std::string& level);
std::string text_of(const std::set<WriteNumber>& writes);
const char* text_of(client::Outcome outcome);

}  // namespace parley::sim
