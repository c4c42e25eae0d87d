// ContextMemory: the causal context of each key that was last read or written, the newest 256.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace parley::cli {

class ContextMemory {
 public:
  static constexpr std::size_t kKeysMost = 256;

  struct Entry {
    std::string keyspace;
    Bytes key, context;  // an empty context: a read found that nothing was ever written
  };

  void keep(const std::string& keyspace, const Bytes& key, Bytes context) {
    forget(keyspace, key);
    entries_.push_front({keyspace, key, std::move(context)});
    places_[{keyspace, key}] = entries_.begin();
    if (entries_.size() > kKeysMost) forget(entries_.back().keyspace, entries_.back().key);
  }
  // By value: the names may be those of the entry itself.
  void forget(std::string keyspace, Bytes key) {
    const auto found = places_.find({std::move(keyspace), std::move(key)});
    if (found == places_.end()) return;
    entries_.erase(found->second);
    places_.erase(found);
  }
  void clear() {
    entries_.clear();
    places_.clear();
  }
  // nullptr: none is kept.
  const Bytes* find(const std::string& keyspace, const Bytes& key) const {
    const auto found = places_.find({keyspace, key});
    return found == places_.end() ? nullptr : &found->second->context;
  }
  const std::list<Entry>& newest_first() const { return entries_; }

 private:
  std::list<Entry> entries_;
  std::map<std::pair<std::string, Bytes>, std::list<Entry>::iterator> places_;
};

}  // namespace parley::cli
