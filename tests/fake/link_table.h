// What is said of single links of a fake world.
#pragma once

#include <array>
#include <map>
#include <string>
#include <utility>

#include "tests/fake/fake_link.h"

namespace parley::fake {

// Which of them are cut. Each cut is one of its own: where several lie on each other, the link is
// whole again when the last of them is mended.
class LinkCuts {
 public:
  void add(const std::string& from, const std::string& to, Traffic what) {
    auto& counts = cuts_[{from, to}];
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += is_of(i, what) ? 1 : 0;
  }
  // One cut of this kind; changes nothing where there is none.
  void remove(const std::string& from, const std::string& to, Traffic what) {
    const auto found = cuts_.find({from, to});
    if (found == cuts_.end()) return;
    auto& counts = found->second;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (is_of(i, what) && counts[i] > 0) --counts[i];
    }
    if (counts == Counts{}) cuts_.erase(found);
  }
  void clear(const std::string& a, const std::string& b) {
    cuts_.erase({a, b});
    cuts_.erase({b, a});
  }
  void clear() { cuts_.clear(); }

  bool has(const std::string& from, const std::string& to, Traffic what) const {
    if (cuts_.empty()) return false;
    const auto found = cuts_.find({from, to});
    if (found == cuts_.end()) return false;
    return (is_of(0, what) && found->second[0] > 0) || (is_of(1, what) && found->second[1] > 0);
  }

 private:
  using Counts = std::array<unsigned, 2>;  // of datagrams, of streams
  static bool is_of(std::size_t i, Traffic what) {
    return (static_cast<unsigned>(what) & (1U << i)) != 0;
  }

  std::map<std::pair<std::string, std::string>, Counts> cuts_;
};

// How they deliver, each direction for itself.
class LinkTable {
 public:
  LinkRules usual;
  // From now on apart from the usual ones.
  LinkRules& own(const std::string& from, const std::string& to) {
    return own_.emplace(std::pair{from, to}, usual).first->second;
  }
  const LinkRules& of(const std::string& from, const std::string& to) const {
    if (own_.empty()) return usual;
    const auto found = own_.find({from, to});
    return found == own_.end() ? usual : found->second;
  }
  void forget() { own_.clear(); }
  void forget(const std::string& from, const std::string& to) { own_.erase({from, to}); }

 private:
  std::map<std::pair<std::string, std::string>, LinkRules> own_;
};

}  // namespace parley::fake
