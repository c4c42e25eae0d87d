// Receipts that cannot be true, each beside the true one that it is made of.
#include "tests/sim/receipts.h"

#include <functional>

#include "tests/catch.h"
#include "tests/sim/levels.h"
#include "tests/sim/story.h"

namespace parley::sim {
namespace {

using Spoil = std::function<void(WriteRecord&, client::WriteResult&)>;
using SpoilRead = std::function<void(ReadRecord&)>;

WriteRecord quorum_put() {
  WriteRecord write;
  write.key = "key";
  write.level = "quorum";
  write.calls = 1;
  write.begun = Instant(1000s);
  write.ended = write.begun + 10ms;
  return write;
}

std::size_t wrong_in(const Spoil& spoil) {
  WriteRecord write = quorum_put();
  client::WriteResult result = ok_write(dot_of(1, 1), {});
  spoil(write, result);
  return judge_receipt(write, result, three_owners()).size();
}

// The true reply of a read at quorum that saw one value.
ReadRecord quorum_get() {
  ReadRecord read;
  read.key = "key";
  read.level = "quorum";
  client::ReadResult& result = read.result;
  result.outcome = client::Outcome::Ok;
  result.level = "quorum";
  result.required = result.asked = result.answered = result.agreed = 2;
  result.found = true;
  result.values = {{value_of(0, 8), to_text(dot_of(1, 1))}};
  read.context = vector_with({dot_of(1, 1)});
  result.context = token_of(read.context);
  return read;
}

std::size_t wrong_in(const SpoilRead& spoil) {
  ReadRecord read = quorum_get();
  spoil(read);
  return judge_receipt(read, three_owners()).size();
}

client::WriteResult refused() {
  auto out = no_write(client::Outcome::NotWritten, ErrorCode::Unavailable);
  for (const auto& address : three_owners()) out.replicas.push_back({"", address, "failed", ""});
  return out;
}

}  // namespace

TEST_CASE("receipts: what each level asks for", "[receipts]") {
  const auto [level, replicas] = GENERATE(table<std::string, std::size_t>(
      {{"", 2}, {"quorum", 2}, {"all", 3}, {"one", 1}, {"any", 1}, {"2", 2}, {"4", 4}, {"x", 0}}));
  CHECK(replicas_asked(level) == replicas);
  CHECK(level_counts(level) == (replicas >= 2));
}

TEST_CASE("receipts: a true one is accepted", "[receipts]") {
  CHECK(wrong_in([](WriteRecord&, client::WriteResult&) {}) == 0);
  CHECK(wrong_in([](ReadRecord&) {}) == 0);
  CHECK(judge_receipt(quorum_put(), refused(), three_owners()).empty());
}

TEST_CASE("receipts: an ok that its own words do not bear out is found", "[receipts]") {
  const auto [what, spoil] = GENERATE(table<std::string, Spoil>({
      {"one ack at quorum", [](auto&, auto& r) { r.replicas[1].state = "no_answer"; }},
      {"a hint counted as an ack",
       [](auto&, auto& r) {
         r.replicas[1] = {"", "127.0.0.2", "hinted", "127.0.0.1"};
         r.hint_holders = {"127.0.0.1"};
       }},
      {"all with a replica missing",
       [](auto& w, auto& r) {
         w.level = r.level = "all";
         r.required = 3;
       }},
      {"memory where disk was asked for", [](auto&, auto& r) { r.replicas[0].state = "memory"; }},
      {"durable where memory was asked for", [](auto& w, auto&) { w.memory = true; }},
      {"too few required", [](auto&, auto& r) { r.required = 1; }},
      {"another level", [](auto&, auto& r) { r.level = "one"; }},
      {"a stranger is named", [](auto&, auto& r) { r.replicas[2].address = "127.0.0.4"; }},
      {"the owners in another order",
       [](auto&, auto& r) { std::swap(r.replicas[0], r.replicas[1]); }},
      {"an owner left out", [](auto&, auto& r) { r.replicas.pop_back(); }},
      {"no version", [](auto&, auto& r) { r.version.clear(); }},
      {"an error", [](auto&, auto& r) { r.error = Error{ErrorCode::Unknown, "", 0}; }},
      {"a context without what was seen",
       [](auto& w, auto&) { w.seen = vector_with({dot_of(2, 4)}); }},
      {"a context with more than was seen",
       [](auto&, auto& r) {
         r.context = token_of(vector_with({dot_of(1, 1), dot_of(2, 4)}));
       }},
      {"a hint without its holder", [](auto&, auto& r) { r.replicas[2].state = "hinted"; }},
      {"any with neither ack nor hint",
       [](auto& w, auto& r) {
         w.level = r.level = "any";
         r.required = 1;
         for (auto& replica : r.replicas) replica.state = "no_answer";
       }},
      {"a forged context", [](auto& w, auto&) { w.forged = true; }},
      {"a level above the factor", [](auto& w, auto& r) { w.level = r.level = "4"; }},
  }));
  INFO(what);
  CHECK(wrong_in(spoil) > 0);
}

TEST_CASE("receipts: not_written names nobody who has it", "[receipts]") {
  auto result = refused();
  SECTION("acked") { result.replicas[0].state = "durable"; }
  SECTION("silent") { result.replicas[0].state = "no_answer"; }
  SECTION("minted") { result.version = to_text(dot_of(1, 1)); }
  SECTION("a hint is kept") { result.hint_holders = {"127.0.0.1"}; }
  SECTION("for want of an answer") { result.error->code = ErrorCode::NoAnswer; }
  CHECK(judge_receipt(quorum_put(), result, three_owners()).size() == 1);
}

TEST_CASE("receipts: unknown with the acks that were asked for is found", "[receipts]") {
  auto result = ok_write(dot_of(1, 1), {});
  result.outcome = client::Outcome::Unknown;
  result.error = Error{ErrorCode::Unknown, "", 0};
  CHECK(judge_receipt(quorum_put(), result, three_owners()).size() == 1);
  result.replicas[1].state = "no_answer";
  CHECK(judge_receipt(quorum_put(), result, three_owners()).empty());
  result.version.clear();  // and somebody has it
  CHECK(judge_receipt(quorum_put(), result, three_owners()).size() == 1);
}

TEST_CASE("receipts: a read that its own words do not bear out is found", "[receipts]") {
  const auto [what, spoil] = GENERATE(table<std::string, SpoilRead>({
      {"one answer at quorum", [](auto& r) { r.result.answered = r.result.agreed = 1; }},
      {"differing answers, not repaired", [](auto& r) { r.result.agreed = 1; }},
      {"more agreed than answered", [](auto& r) { r.result.agreed = 3; }},
      {"more answered than asked", [](auto& r) { r.result.answered = 3; }},
      {"more asked than there are", [](auto& r) { r.result.asked = 4; }},
      {"hints at quorum", [](auto& r) { r.result.from_hint = true; }},
      {"not found in a hint that is not there",
       [](auto& r) {
         r.level = r.result.level = "any";
         r.result.required = 1;
         r.result.from_hint = true;
         r.result.found = false;
         r.result.answered = r.result.agreed = 0;
         r.result.values.clear();
         r.result.context.clear();
       }},
      {"not found, with a value", [](auto& r) { r.result.found = false; }},
      {"too few required", [](auto& r) { r.result.required = 1; }},
      {"another level", [](auto& r) { r.result.level = "all"; }},
      {"a value outside of the context", [](auto& r) { r.context = {}; }},
      {"one version twice", [](auto& r) { r.result.values.push_back(r.result.values[0]); }},
      {"values although unavailable",
       [](auto& r) {
         r.result.outcome = client::Outcome::NotWritten;
         r.result.error = Error{ErrorCode::Unavailable, "", 0};
       }},
  }));
  INFO(what);
  CHECK(wrong_in(spoil) > 0);
}

TEST_CASE("receipts: a repaired replica holds what was read", "[receipts]") {
  CHECK(wrong_in([](ReadRecord& read) { read.result.agreed = read.result.repaired = 1; }) == 0);
}

}  // namespace parley::sim
