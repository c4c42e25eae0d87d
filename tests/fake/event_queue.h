// What is still to happen in a fake world, ordered by time, then by rank, then by number. Included
// by tests/fake/fake_world.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tests/fake/fake_link.h"

namespace parley::fake::detail {

// A binary heap of keys; the events themselves stay where they are.
class EventQueue {
 public:
  bool empty() const { return heap_.empty(); }
  const EventKey& first() const { return heap_.front().key; }

  // `rank` decides between events of one instant, before the number does.
  void add(const EventKey& key, Event event, std::uint64_t rank) {
    std::size_t place = events_.size();
    if (free_.empty()) {
      events_.push_back(std::move(event));
    } else {
      place = free_.back();
      free_.pop_back();
      events_[place] = std::move(event);
    }
    heap_.push_back({key, rank, place});
    std::push_heap(heap_.begin(), heap_.end(), Later{});
  }

  Event take_first() {
    std::pop_heap(heap_.begin(), heap_.end(), Later{});
    Event event = take(heap_.back());
    heap_.pop_back();
    return event;
  }

  // Those of one node leave, in no order.
  std::vector<std::pair<EventKey, Event>> take_of(const Node& node) {
    std::vector<std::pair<EventKey, Event>> out;
    std::erase_if(heap_, [&](const Entry& entry) {
      if (events_[entry.place].node != &node) return false;
      out.emplace_back(entry.key, take(entry));
      return true;
    });
    std::make_heap(heap_.begin(), heap_.end(), Later{});
    return out;
  }

  void clear() {
    heap_.clear();
    free_.clear();
    // What the events own may want to say goodbye, and find a queue that is whole.
    std::exchange(events_, {}).clear();
  }

 private:
  struct Entry {
    EventKey key;
    std::uint64_t rank;
    std::size_t place;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return std::tie(a.key.first, a.rank, a.key.second) >
             std::tie(b.key.first, b.rank, b.key.second);
    }
  };
  Event take(const Entry& entry) {
    free_.push_back(entry.place);
    return std::exchange(events_[entry.place], {});
  }

  std::vector<Entry> heap_;
  std::vector<Event> events_;
  std::vector<std::size_t> free_;
};

// Timers that have neither run nor been cancelled, by number.
class LiveTimers {
 public:
  void add(std::uint64_t number) {
    if (live_.size() <= number) live_.resize(std::max<std::size_t>(number + 1, 2 * live_.size()));
    live_[number] = true;
  }
  bool has(std::uint64_t number) const { return number < live_.size() && live_[number]; }
  // False when it was not there.
  bool remove(std::uint64_t number) {
    if (!has(number)) return false;
    live_[number] = false;
    return true;
  }

 private:
  std::vector<bool> live_;
};

}  // namespace parley::fake::detail
