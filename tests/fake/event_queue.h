// What is still to happen in a fake world, ordered by time, then by rank, then by number. Included
// by tests/fake/fake_world.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tests/fake/fake_link.h"

namespace parley::fake::detail {

// Two binary heaps of keys, of what falls due at once, half of all, and of the many timers; the
// events themselves stay where they are.
class EventQueue {
 public:
  bool empty() const { return soon_.empty() && later_.empty(); }
  const EventKey& first() const { return first_heap().front().key; }

  // `rank` decides between events of one instant, before the number does.
  void add(const EventKey& key, Event event, std::uint64_t rank) {
    std::size_t place = events_.size();
    if (free_.empty()) {
      events_.push_back(std::move(event));
    } else {
      place = free_.back();
      free_.pop_back();
      Event& empty = events_[place];
      empty.node = event.node;
      empty.kind = event.kind;
      empty.task.swap(event.task);
    }
    auto& heap = key.first <= taken_at_ ? soon_ : later_;
    heap.push_back({key, rank, place});
    std::push_heap(heap.begin(), heap.end(), Later{});
  }

  Event take_first() {
    auto& heap = &first_heap() == &soon_ ? soon_ : later_;
    if (heap.size() > 1) std::pop_heap(heap.begin(), heap.end(), Later{});
    const Entry first = heap.back();
    heap.pop_back();
    taken_at_ = first.key.first;
    return take(first);
  }

  // Those of one node leave, in no order.
  std::vector<std::pair<EventKey, Event>> take_of(const Node& node) {
    std::vector<std::pair<EventKey, Event>> out;
    for (auto* heap : {&soon_, &later_}) {
      std::erase_if(*heap, [&](const Entry& entry) {
        if (events_[entry.place].node != &node) return false;
        out.emplace_back(entry.key, take(entry));
        return true;
      });
      std::make_heap(heap->begin(), heap->end(), Later{});
    }
    return out;
  }

  void clear() {
    soon_.clear();
    later_.clear();
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
      if (a.key.first != b.key.first) return a.key.first > b.key.first;
      if (a.rank != b.rank) return a.rank > b.rank;
      return a.key.second > b.key.second;
    }
  };
  Event take(const Entry& entry) {
    free_.push_back(entry.place);
    return std::move(events_[entry.place]);  // which empties its task
  }

  const std::vector<Entry>& first_heap() const {
    if (soon_.empty() || later_.empty()) return soon_.empty() ? later_ : soon_;
    return Later{}(soon_.front(), later_.front()) ? later_ : soon_;
  }

  std::vector<Entry> soon_, later_;
  Instant taken_at_{};  // when the last one taken was due
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
