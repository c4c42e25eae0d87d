// Histories by hand for the tests of the checkers: replies as a cluster of three would give them,
// and the same replies made false.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "tests/sim/history.h"
#include "tests/sim/levels.h"

namespace parley::sim {

// Minted by one of three owners, named by its number.
inline replication::Dot dot_of(unsigned owner, std::uint64_t counter) {
  StorageId id;
  id.octets[0] = static_cast<std::uint8_t>(owner);
  return {{id, 2}, counter};
}

inline replication::VersionVector vector_with(std::initializer_list<replication::Dot> dots) {
  replication::VersionVector out;
  for (const auto& dot : dots) out.add(dot);
  return out;
}

inline Bytes token_of(const replication::VersionVector& vector) {
  return Bytes(17, '\0') + replication::encode_context(vector);
}

inline const std::vector<std::string>& three_owners() {
  static const std::vector<std::string> kOwners = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
  return kOwners;
}

// The true receipt of a put at quorum.
inline client::WriteResult ok_write(const replication::Dot& dot,
                                    const replication::VersionVector& seen) {
  client::WriteResult out;
  out.outcome = client::Outcome::Ok;
  out.version = to_text(dot);
  replication::VersionVector context = seen;
  context.add(dot);
  out.context = token_of(context);
  out.level = "quorum";
  out.required = 2;
  for (const auto& address : three_owners()) out.replicas.push_back({"", address, "durable", ""});
  out.replicas[2].state = "pending";
  return out;
}

inline client::WriteResult no_write(client::Outcome outcome, ErrorCode code) {
  client::WriteResult out;
  out.outcome = outcome;
  out.error = Error{code, "a reason", 0};
  return out;
}

// One key's calls, one after the other, 10 ms each.
class Story {
 public:
  using Values = std::vector<std::pair<WriteNumber, replication::Dot>>;

  WriteNumber begin(const replication::VersionVector& seen, std::set<WriteNumber> replaces,
                    bool is_delete = false) {
    WriteRecord& write = history.new_write(0, "key", "quorum");
    write.op.octets[0] = static_cast<std::uint8_t>(write.number + 1);
    write.seen = seen;
    write.replaces = std::move(replaces);
    write.is_delete = is_delete;
    if (!is_delete) write.value_hash = hash64(value_of(write.number, 8));
    const WriteNumber number = write.number;
    again(number);
    return number;
  }
  void again(WriteNumber number) {
    history.begin_write(number, now);
    begun = now;
  }
  void end(WriteNumber number, client::WriteResult result, Duration took = 10ms) {
    now += took;
    history.end_write(number, {begun, 2s}, std::move(result), now);
  }
  // An ok put that had seen these, under this dot.
  WriteNumber put(const replication::Dot& dot, const replication::VersionVector& seen = {},
                  std::set<WriteNumber> replaces = {}, bool is_delete = false) {
    const WriteNumber number = begin(seen, std::move(replaces), is_delete);
    end(number, ok_write(dot, seen));
    return number;
  }

  std::size_t begin_read(const std::string& level = "quorum") {
    begun = now;
    return history.begin_read(1, "key", level, now);
  }
  void end_read(std::size_t number, const Values& values,
                const replication::VersionVector& context) {
    client::ReadResult result;
    result.outcome = client::Outcome::Ok;
    result.level = history.read(number).level;
    result.required = static_cast<std::uint32_t>(replicas_asked(result.level));
    result.asked = result.answered = result.agreed = result.required;
    for (const auto& [write, dot] : values) {
      result.values.push_back({value_of(write, 8), to_text(dot)});
    }
    result.found = !values.empty();
    if (!context.empty()) result.context = token_of(context);
    now += 10ms;
    history.end_read(number, {begun, 2s}, std::move(result), now);
  }
  void read(const Values& values, const replication::VersionVector& context,
            const std::string& level = "quorum") {
    end_read(begin_read(level), values, context);
  }

  void end_state(const Values& live, const replication::VersionVector& context) {
    FinalState state;
    state.context = context;
    for (const auto& [write, dot] : live) {
      state.siblings.push_back({write, dot, history.writes()[write].is_delete});
    }
    history.judge_final("key", state);
  }

  // What was found, by rule; empty: all can be true.
  std::string found() const {
    std::string out;
    for (const Violation& one : history.violations()) out += (out.empty() ? "" : " ") + one.rule;
    return out;
  }

  Instant now{1000s};
  Instant begun{};
  History history;
};

}  // namespace parley::sim
