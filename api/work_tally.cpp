#include "api/work_tally.h"

#include <algorithm>

namespace parley::api {
namespace {

std::uint64_t rise(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

void add_rise(const client::WorkRow& now, const client::WorkRow& before, client::WorkRow& sum) {
  sum.op = now.op;
  sum.level = now.level;
  sum.ok += rise(now.ok, before.ok);
  sum.refused += rise(now.refused, before.refused);
  sum.unknown += rise(now.unknown, before.unknown);
  sum.seconds_sum += std::max(0.0, now.seconds_sum - before.seconds_sum);
  sum.buckets.resize(std::max(sum.buckets.size(), now.buckets.size()));
  for (std::size_t i = 0; i < now.buckets.size(); ++i) {
    const std::uint64_t had = i < before.buckets.size() ? before.buckets[i] : 0;
    sum.buckets[i] += rise(now.buckets[i], had);
  }
}

}  // namespace

void WorkTally::add(const std::string& address, std::uint64_t generation,
                    const std::vector<client::WorkRow>& rows) {
  const bool first = !heard_.contains(address);
  Heard& heard = heard_[address];
  if (heard.generation != generation) heard.rows.clear();  // a new life counts from nothing
  heard.generation = generation;
  for (const client::WorkRow& row : rows) {
    const Kind kind{row.op, row.level};
    client::WorkRow& before = heard.rows[kind];
    // What was done before this node was heard of has no time in which it was done.
    if (first) before = row;
    add_rise(row, before, totals_[kind]);
    before = row;
  }
}

std::vector<client::WorkRow> WorkTally::totals() const {
  std::vector<client::WorkRow> out;
  for (const auto& [kind, row] : totals_) out.push_back(row);
  return out;
}

}  // namespace parley::api
