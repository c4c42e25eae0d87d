// A live sample of a cluster: writes through one node and reads through another, each pair of
// levels and each time between them in turn, and notes what came of it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <vector>

#include "api/client.h"

namespace parley::cli {

// Every key of every run; nobody else's.
inline constexpr const char* kMeasuredKeys = "parley-measure/";

struct RunPlan {
  std::vector<std::string> endpoints;  // of the nodes to go through, one each
  std::vector<std::string> read_levels, write_levels;
  std::vector<Duration> at;  // from a write's ack to the read
  Duration lasts = 10s, timeout = 2s;
  std::size_t rate = 200, keys = 512;  // writes a second; each has one read
  std::size_t n = 3;                   // owners of a key
  std::string keyspace;
  std::function<bool()> stopped;  // asked often; true: end now
};

struct LevelFigures {
  std::size_t asked = 0, ok = 0;
  std::vector<double> ms;  // of those that were ok

  double quantile(double share) const;  // infinite if there are none
};
struct StalenessFigures {
  std::size_t reads = 0, stale = 0;
};

struct RunFigures {
  std::map<std::string, LevelFigures> reads, writes;                                     // by level
  std::map<std::tuple<std::string, std::string, Duration>, StalenessFigures> staleness;  // R, W, t
  std::size_t late = 0;    // reads that began too late to say something
  std::size_t missed = 0;  // writes that were due while too much was under way
};

class StalenessRun {
 public:
  explicit StalenessRun(RunPlan plan);
  ~StalenessRun();

  // InvalidArgument, Unreachable, or why no key could be read.
  Status prepare();
  RunFigures run();
  // Deletes what was written; how many keys may be left.
  std::size_t clean_up();

 private:
  using Moment = Duration;  // of the steady clock
  struct Key {
    Bytes name;
    std::optional<Bytes> context;  // of what is known to be there
    bool busy = false, written = false, in_doubt = false;
  };
  struct Sample {
    std::size_t key = 0, writer = 0, reader = 0;
    std::string read_level, write_level;
    Duration at{};
    Bytes value;
    Moment begun{}, due{};  // of the write; of the read
  };
  struct Later {
    bool operator()(const Sample& a, const Sample& b) const { return a.due > b.due; }
  };

  struct Cell {
    std::string read_level, write_level;
    Duration at{};
    std::size_t samples = 0;
  };

  static Moment now();
  void make_schedule();
  std::optional<Sample> next_sample();
  void write(Sample sample);
  void on_written(Sample sample, const client::WriteResult& result);
  void read(Sample sample);
  void on_read(const Sample& sample, Moment asked, const client::ReadResult& result);
  void end(std::size_t key);
  std::size_t erase(const std::vector<std::size_t>& keys, const std::string& level);

  const RunPlan plan_;
  std::string run_id_;
  std::vector<std::unique_ptr<client::Client>> clients_;

  std::mutex mutex_;  // all below; the clients call back on threads of their own
  std::condition_variable changed_;
  std::vector<Key> keys_;
  std::priority_queue<Sample, std::vector<Sample>, Later> waiting_;
  std::vector<Cell> cells_;
  std::vector<std::size_t> schedule_;  // of cells, again and again
  std::size_t begun_ = 0, under_way_ = 0;
  RunFigures figures_;
};

}  // namespace parley::cli
