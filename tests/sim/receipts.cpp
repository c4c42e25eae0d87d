#include "tests/sim/receipts.h"

#include <algorithm>
#include <set>

#include "tests/sim/levels.h"

namespace parley::sim {
namespace {

using Lines = std::vector<std::string>;

void expect(bool holds, Lines& out, const std::string& line) {
  if (!holds) out.push_back(line);
}

std::size_t count_of(const client::WriteResult& result, const std::string& state) {
  return static_cast<std::size_t>(
      std::count_if(result.replicas.begin(), result.replicas.end(),
                    [&state](const auto& replica) { return replica.state == state; }));
}

std::string named(const std::string& level) { return level.empty() ? "quorum" : level; }

// api/parley.capnp, Level.number: above the replication factor it is an invalid argument.
void judge_level(const std::string& asked, client::Outcome outcome, const std::string& said,
                 std::size_t required, const std::optional<Error>& error, Lines& out) {
  const bool ok = outcome == client::Outcome::Ok;
  if (replicas_asked(asked) > kReplicas) {
    expect(!ok, out, "a level above the factor was executed");
    return;
  }
  expect(ok == !error.has_value(), out, "an error with ok, or none without");
  if (!ok) return;
  expect(said == named(asked), out, "executed at " + said + " instead of " + named(asked));
  expect(required == replicas_asked(asked), out,
         "required " + std::to_string(required) + " replicas instead of " +
             std::to_string(replicas_asked(asked)));
}

void judge_owners(const client::WriteResult& result, const std::vector<std::string>& owners,
                  Lines& out) {
  std::vector<std::string> told;
  for (const auto& replica : result.replicas) {
    told.push_back(replica.address);
    const bool hinted = replica.state == "hinted";
    expect(hinted == !replica.hint_holder.empty(), out,
           replica.address + " is " + replica.state + " with the hint holder '" +
               replica.hint_holder + "'");
    const auto& holders = result.hint_holders;
    expect(!hinted || std::count(holders.begin(), holders.end(), replica.hint_holder) > 0, out,
           replica.hint_holder + " keeps a hint and is not among the hint holders");
  }
  if (owners.empty() || told.empty()) return;
  expect(told == owners, out, "the replicas named are not the owners in their order");
}

// What its own context covered, and with it this write or its twins (WriteResult.context).
void judge_context(const WriteRecord& write, const client::WriteResult& result, Lines& out) {
  const auto dot = parse_dot(result.version);
  const auto context = vector_of(result.context);
  expect(dot.has_value(), out, "no version: '" + result.version + "'");
  expect(context.has_value(), out, "the context cannot be read");
  if (!dot || !context) return;
  expect(context->covers(write.seen), out, "the context lacks what the write had seen");
  expect(!write.seen.covers(*dot), out, "the write had seen its own version");
  // Asked of one node and answered before any hedge: there is no twin that it could cover too.
  if (write.calls > 1 || write.ended - write.begun >= 15ms) return;
  replication::VersionVector with_own = write.seen;
  with_own.add(*dot);
  expect(*context == write.seen || *context == with_own, out,
         "the context covers what the write had not seen");
}

void judge_ok(const WriteRecord& write, const client::WriteResult& result, Lines& out) {
  const std::size_t durable = count_of(result, "durable"), memory = count_of(result, "memory");
  expect(durable == 0 || !write.memory, out, "durable, although only memory was waited for");
  expect(memory == 0 || write.memory, out, "memory counted where durable was asked for");
  if (write.level == "any") {
    expect(durable + memory + count_of(result, "hinted") > 0, out, "ok with neither ack nor hint");
  } else {
    expect(durable + memory >= replicas_asked(write.level), out,
           "ok at " + named(write.level) + " with " + std::to_string(durable + memory) + " acks");
  }
  judge_context(write, result, out);
}

// Refused before anything was sent, or by everyone: nobody has it.
void judge_not_written(const client::WriteResult& result, Lines& out) {
  for (const auto& replica : result.replicas) {
    expect(replica.state == "failed", out,
           "not_written, and " + replica.address + " is " + replica.state);
  }
  expect(result.hint_holders.empty(), out, "not_written, and a hint is kept");
  expect(result.version.empty(), out, "not_written, and a version was minted");
  const auto code = result.error ? result.error->code : ErrorCode::Internal;
  expect(code != ErrorCode::Unknown && code != ErrorCode::NoAnswer && code != ErrorCode::Internal,
         out, "not_written for a reason that proves nothing");
}

}  // namespace

std::vector<std::string> judge_receipt(const WriteRecord& write, const client::WriteResult& result,
                                       const std::vector<std::string>& owners) {
  Lines out;
  judge_level(write.level, result.outcome, result.level, result.required, result.error, out);
  expect(!write.forged || result.outcome != client::Outcome::Ok, out,
         "a context that no reply gave for this key was accepted");
  judge_owners(result, owners, out);
  if (result.outcome == client::Outcome::Ok) judge_ok(write, result, out);
  if (result.outcome == client::Outcome::NotWritten) judge_not_written(result, out);
  if (result.outcome == client::Outcome::Unknown && !result.replicas.empty()) {
    const std::size_t acks = count_of(result, "durable") + count_of(result, "memory");
    expect(acks < replicas_asked(write.level), out,
           "unknown, although " + std::to_string(acks) + " replicas acked");
    // Else nobody could look whether they have it.
    const bool kept = acks + count_of(result, "hinted") > 0;
    expect(!kept || parse_dot(result.version).has_value(), out,
           "somebody is said to have it, and no version names it");
  }
  return out;
}

std::vector<std::string> judge_receipt(const ReadRecord& read,
                                       const std::vector<std::string>& owners) {
  Lines out;
  const client::ReadResult& result = read.result;
  judge_level(read.level, result.outcome, result.level, result.required, result.error, out);
  if (result.outcome != client::Outcome::Ok) {
    expect(result.values.empty() && !result.found, out, "values without an answer");
    return out;
  }
  const std::size_t required = replicas_asked(read.level);
  expect(result.agreed <= result.answered && result.answered <= result.asked, out,
         "more replicas agreed than answered, or answered than were asked");
  expect(owners.empty() || result.asked <= owners.size(), out, "more were asked than there are");
  expect(result.found == !result.values.empty(), out,
         "found does not say whether there are values");
  if (result.from_hint) {
    expect(read.level == "any", out, "hints answered a read at " + named(read.level));
    expect(result.answered < required, out, "marked as from a hint although a replica answered");
    expect(!result.context.empty(), out, "from a hint, and none says anything");
  } else {
    expect(result.answered >= required, out,
           "ok at " + named(read.level) + " with " + std::to_string(result.answered) + " answers");
    const bool majority = required >= kMajority;
    expect(!majority || result.context.empty() || result.agreed + result.repaired >= required, out,
           "too few replicas hold what was read");
  }
  std::set<std::string> versions;
  for (const auto& value : result.values) {
    const auto dot = parse_dot(value.version);
    expect(dot && read.context.covers(*dot), out, "a value is not in the context of its read");
    expect(versions.insert(value.version).second, out, "one version twice in a read");
  }
  return out;
}

}  // namespace parley::sim
