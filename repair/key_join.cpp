#include "repair/key_join.h"

#include <optional>

#include "ring/ring.h"

namespace parley::repair {
namespace {

using Want = KeyDifference::Want;

// Digests are 0 where there is no sound copy.
std::optional<Want> judge(std::uint64_t mine, std::uint64_t theirs) {
  if (mine == theirs) return std::nullopt;
  if (mine == 0) return Want::Pull;
  return theirs == 0 ? Want::Push : Want::Both;
}

}  // namespace

Status KeyJoin::add(Side& side, const std::vector<storage::ListedKey>& keys, bool last) {
  std::vector<Entry> fresh;
  fresh.reserve(keys.size());
  const Place* before = &side.end;
  for (const storage::ListedKey& listed : keys) {
    if (listed.key.empty()) return Error{ErrorCode::InvalidArgument, "listing has an empty key"};
    Place place{ring::token_of(listed.key), listed.key};
    if (!before->key.empty() && place <= *before) {
      return Error{ErrorCode::InvalidArgument, "listing is out of order"};
    }
    fresh.push_back({std::move(place), listed.digest});
    before = &fresh.back().place;
  }
  if (!fresh.empty()) side.end = fresh.back().place;
  side.keys.insert(side.keys.end(), std::make_move_iterator(fresh.begin()),
                   std::make_move_iterator(fresh.end()));
  // A page that brings nothing cannot be followed by another: there would be no end of asking.
  side.last = last || keys.empty();
  return Done{};
}

Status KeyJoin::add_mine(const std::vector<storage::ListedKey>& keys, bool last) {
  return add(mine_, keys, last);
}

Status KeyJoin::add_theirs(const std::vector<storage::ListedKey>& keys, bool last) {
  return add(theirs_, keys, last);
}

bool KeyJoin::ended() const {
  return mine_.last && theirs_.last && mine_.keys.empty() && theirs_.keys.empty();
}

std::vector<KeyDifference> KeyJoin::take() {
  std::vector<KeyDifference> out;
  while (!wants_mine() && !wants_theirs() && !ended()) {
    const Entry* mine = mine_.keys.empty() ? nullptr : &mine_.keys.front();
    const Entry* theirs = theirs_.keys.empty() ? nullptr : &theirs_.keys.front();
    const bool take_mine = mine != nullptr && (theirs == nullptr || mine->place <= theirs->place);
    const bool take_theirs = theirs != nullptr && (mine == nullptr || theirs->place <= mine->place);
    const auto want = judge(take_mine ? mine->digest : 0, take_theirs ? theirs->digest : 0);
    if (want) out.push_back({take_mine ? mine->place.key : theirs->place.key, *want});
    if (take_mine) mine_.keys.pop_front();
    if (take_theirs) theirs_.keys.pop_front();
  }
  return out;
}

}  // namespace parley::repair
