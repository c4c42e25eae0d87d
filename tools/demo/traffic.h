// What a demo asks the cluster, counted by level: how often it was served, how fast, and how old
// what it read was. For several threads.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/client.h"

namespace parley::demo {

client::WriteOptions write_at(const std::string& level, std::optional<Bytes> context = {});
client::ReadOptions read_at(const std::string& level);

struct LevelFigures {
  std::string level;
  std::size_t puts = 0, puts_ok = 0, gets = 0, gets_ok = 0;
  std::size_t unknown = 0;                             // of the puts
  std::size_t stale = 0;                               // of the gets
  std::chrono::milliseconds oldest{0};                 // so long overwritten was the stalest read
  std::vector<std::chrono::duration<double>> latency;  // of what was served, sorted; the last ones
};
// Of sorted figures, the one below which this share of them is.
std::chrono::duration<double> percentile(const std::vector<std::chrono::duration<double>>& latency,
                                         double share);

class Traffic {
 public:
  client::WriteResult put(client::Client& client, const std::string& key, const std::string& value,
                          const client::WriteOptions& options);
  client::ReadResult get(client::Client& client, const std::string& key,
                         const client::ReadOptions& options);
  // In the order: all, quorum, one, any, numbers.
  std::vector<LevelFigures> figures() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Issued {
    std::string value;
    std::optional<Clock::time_point> acked;
  };
  // A key's values in the order in which they were begun, the last ones.
  struct History {
    std::deque<Issued> values;
    std::size_t dropped = 0;  // before the first of them
  };

  std::size_t begin_put(const std::string& key, const std::string& value);
  // nullopt: nothing newer was acknowledged before `begun`.
  std::optional<Clock::duration> age_of(const std::string& key, const client::ReadResult& read,
                                        Clock::time_point begun) const;
  void note_latency(LevelFigures& level, Clock::duration took);

  mutable std::mutex mutex_;
  std::map<std::string, LevelFigures> levels_;
  std::map<std::string, History> histories_;
};

}  // namespace parley::demo
