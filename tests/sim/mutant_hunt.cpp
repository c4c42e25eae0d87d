#include "tests/sim/mutant_hunt.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>

#include "base/check.h"
#include "tests/sim/mutant_switch.h"

namespace parley::sim {

Mutant planted = Mutant::none;

namespace {

// Of processor time. A seed takes a fifth of a second, and a few seconds where nothing converges.
constexpr rlim_t kSecondsMost = 60;
constexpr std::size_t kWordsKept = 64 * 1024;

struct Planted {
  const char* name;
  const char* what;
};
constexpr Planted kPlanted[] = {
#define PARLEY_MUTANT_ROW(name, what) {#name, what},
    PARLEY_MUTANTS(PARLEY_MUTANT_ROW)
#undef PARLEY_MUTANT_ROW
};

// Instead of a checker: no seed has found it.
constexpr const char* kNone = "none";
// Fewer would say little about the checkers.
constexpr std::size_t kFoundLeast = 30;

// One line of the record: the mutant, the seed that finds it, the checker, how many seeds it took,
// and options of the runs, if it needs some.
struct Row {
  std::string mutant;
  std::uint64_t seed = 0;
  std::string checker = kNone;
  std::uint64_t seeds = 0;
  std::vector<std::string> options;
};

std::map<std::string, Row> read_rows(const std::string& path) {
  std::map<std::string, Row> rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Row row;
    words >> row.mutant >> row.seed >> row.checker >> row.seeds;
    for (std::string option; words >> option;) row.options.push_back(option);
    rows[row.mutant] = row;
  }
  return rows;
}

void write_rows(const std::string& path, const std::map<std::string, Row>& rows) {
  std::ofstream out(path);
  out << "# What the swarm found: mutant, seed, checker, seeds tried, options of the run.\n"
         "# Written by `./dev sim --mutants --record`; the test sim.mutants replays it.\n";
  for (const Planted& one : kPlanted) {
    const auto row = rows.find(one.name);
    if (row == rows.end()) continue;
    out << one.name << " " << row->second.seed << " " << row->second.checker << " "
        << row->second.seeds;
    for (const auto& option : row->second.options) out << " " << option;
    out << "\n";
  }
}

// One seed with one mutant, in a process of its own.
class Trial {
 public:
  Trial(const std::string& mutant, std::uint64_t seed, const std::vector<std::string>& options)
      : seed_(seed) {
    std::vector<std::string> words = {"parley-sim-mutants", "--shrink", "0", "--seed",
                                      std::to_string(seed)};
    if (!mutant.empty()) words.insert(words.end(), {"--mutant", mutant});
    words.insert(words.end(), options.begin(), options.end());
    int ends[2];
    PARLEY_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const rlimit most{kSecondsMost, kSecondsMost};  // its children's too
      ::setrlimit(RLIMIT_CPU, &most);
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
      std::vector<char*> arguments;
      for (auto& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      ::execv("/proc/self/exe", arguments.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Trial() { ::close(out_); }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  std::uint64_t seed() const { return seed_; }
  int out() const { return out_; }

  // True once it has ended. To be called when there is something to read.
  bool take() {
    char bytes[4096];
    const ssize_t got = ::read(out_, bytes, sizeof bytes);
    if (got > 0) {
      if (words_.size() < kWordsKept) words_.append(bytes, static_cast<std::size_t>(got));
      return false;
    }
    int status = 0;
    rusage used{};
    ::wait4(pid_, &status, 0, &used);
    failed_ = status != 0;
    hung_ = used.ru_utime.tv_sec + used.ru_stime.tv_sec >= static_cast<time_t>(kSecondsMost) - 1;
    return true;
  }

  // What found it; empty: nothing did.
  std::string checker() const {
    const std::string head = "seed " + std::to_string(seed_) + ": ";
    std::istringstream lines(words_);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(head)) continue;
      return line.substr(head.size(), line.find(':', head.size()) - head.size());
    }
    return !failed_ ? "" : hung_ ? "hang" : "check";
  }

 private:
  const std::uint64_t seed_;
  pid_t pid_ = 0;
  int out_ = -1;
  std::string words_;
  bool failed_ = false, hung_ = false;
};

// Runs what `next` gives, `jobs` at a time, until it gives no more and all have ended.
void run_trials(std::uint64_t jobs, const std::function<std::unique_ptr<Trial>()>& next,
                const std::function<void(const Trial&)>& ended) {
  std::vector<std::unique_ptr<Trial>> running;
  while (true) {
    while (running.size() < jobs) {
      auto trial = next();
      if (trial == nullptr) break;
      running.push_back(std::move(trial));
    }
    if (running.empty()) return;
    std::vector<pollfd> wanted;
    for (const auto& trial : running) wanted.push_back({trial->out(), POLLIN, 0});
    ::poll(wanted.data(), wanted.size(), -1);
    std::vector<std::unique_ptr<Trial>> left;
    for (std::size_t i = 0; i < running.size(); ++i) {
      if (wanted[i].revents != 0 && running[i]->take()) {
        ended(*running[i]);
      } else {
        left.push_back(std::move(running[i]));
      }
    }
    running = std::move(left);
  }
}

std::string checker_of(const std::string& mutant, std::uint64_t seed,
                       const std::vector<std::string>& options) {
  std::string found;
  std::unique_ptr<Trial> only = std::make_unique<Trial>(mutant, seed, options);
  run_trials(
      1, [&only] { return std::move(only); },
      [&found](const Trial& trial) { found = trial.checker(); });
  return found;
}

// The least seed that finds it and is clean without it. Other seeds may end before that one.
Row hunt_one(const std::string& mutant, const std::vector<std::string>& options,
             const HuntSaid& said) {
  std::uint64_t next = 1, last = said.seeds;
  Row found{mutant, 0, kNone, said.seeds, options};
  run_trials(
      said.jobs,
      [&]() -> std::unique_ptr<Trial> {
        if (next > last) return nullptr;
        return std::make_unique<Trial>(mutant, next++, options);
      },
      [&](const Trial& trial) {
        const std::string checker = trial.checker();
        if (checker.empty() || trial.seed() > last) return;
        if (!checker_of("", trial.seed(), options).empty()) {
          std::printf("seed %llu fails by itself\n", static_cast<unsigned long long>(trial.seed()));
          return;
        }
        found = Row{mutant, trial.seed(), checker, trial.seed(), options};
        last = trial.seed() - 1;
      });
  return found;
}

void print_row(const Planted& one, const Row& row) {
  std::string options;
  for (const auto& option : row.options) options += (options.empty() ? ", `" : " ") + option;
  if (!options.empty()) options += "`";
  std::printf("| `%s` | %s | %s | %llu%s |\n", one.name, one.what, row.checker.c_str(),
              static_cast<unsigned long long>(row.seeds), options.c_str());
}

bool is_wanted(const HuntSaid& said, const char* name) {
  return said.only.empty() || std::count(said.only.begin(), said.only.end(), name) > 0;
}

int hunt_all(const HuntSaid& said) {
  std::map<std::string, Row> rows;
  if (!said.record.empty()) rows = read_rows(said.record);
  std::vector<std::string> missed;
  for (const Planted& one : kPlanted) {
    if (!is_wanted(said, one.name)) continue;
    Row& row = rows[one.name];
    row = hunt_one(one.name, row.options, said);
    if (row.checker == kNone) missed.push_back(one.name);
    std::fprintf(stderr, "%s: %s %llu\n", one.name, row.checker.c_str(),
                 static_cast<unsigned long long>(row.seeds));
    if (!said.record.empty()) write_rows(said.record, rows);  // a hunt takes long
  }
  std::printf("| mutant | what it does | found by | seeds |\n|---|---|---|---|\n");
  for (const Planted& one : kPlanted) {
    const auto row = rows.find(one.name);
    if (row != rows.end()) print_row(one, row->second);
  }
  for (const auto& name : missed) {
    std::printf("not found within %llu seeds: %s\n", static_cast<unsigned long long>(said.seeds),
                name.c_str());
  }
  return missed.empty() ? 0 : 1;
}

int replay(const HuntSaid& said) {
  const auto rows = read_rows(said.replay);
  int wrong = 0;
  const auto complain = [&wrong](const std::string& mutant, const char* what) {
    std::printf("%s %s\n", mutant.c_str(), what);
    ++wrong;
  };
  std::deque<Row> left;
  std::size_t found = 0;
  for (const Planted& one : kPlanted) {
    if (!is_wanted(said, one.name)) continue;
    const auto row = rows.find(one.name);
    if (row == rows.end()) {
      complain(one.name, "has no record: ./dev sim --mutants --record");
      continue;
    }
    if (row->second.checker == kNone) {
      complain(one.name, "was not found by any seed");
      continue;
    }
    ++found;
    left.push_back(row->second);
    Row without = row->second;
    without.mutant.clear();
    left.push_back(without);
  }
  for (const auto& [name, row] : rows) {
    const bool known = std::any_of(std::begin(kPlanted), std::end(kPlanted),
                                   [&name = name](const Planted& one) { return one.name == name; });
    if (!known) complain(name, "is recorded and not planted");
  }
  std::map<const Trial*, Row> replayed;
  run_trials(
      said.jobs,
      [&]() -> std::unique_ptr<Trial> {
        if (left.empty()) return nullptr;
        const Row row = left.front();
        left.pop_front();
        auto trial = std::make_unique<Trial>(row.mutant, row.seed, row.options);
        replayed[trial.get()] = row;
        return trial;
      },
      [&](const Trial& trial) {
        const std::string mutant = replayed[&trial].mutant, checker = trial.checker();
        const std::string seed = std::to_string(trial.seed());
        if (mutant.empty() && !checker.empty()) {
          complain("seed " + seed, ("fails without a mutant: " + checker).c_str());
        } else if (!mutant.empty() && checker.empty()) {
          complain(mutant, ("is no longer found by seed " + seed).c_str());
        } else if (!mutant.empty() && checker != replayed[&trial].checker) {
          complain(mutant, ("is found by another checker now: " + checker).c_str());
        }
      });
  if (found < kFoundLeast && said.only.empty())
    complain("the record", "has too few that are found");
  std::printf("%zu of %zu mutants found, %d complaints\n", found, std::size(kPlanted), wrong);
  return wrong == 0 ? 0 : 1;
}

Mutant mutant_named(const std::string& name) {
  for (std::size_t i = 0; i < std::size(kPlanted); ++i) {
    if (kPlanted[i].name == name) return static_cast<Mutant>(i + 1);
  }
  return Mutant::none;
}

}  // namespace

void add_options(CLI::App& app, HuntSaid& said) {
  const auto known = CLI::Validator(
      [](const std::string& name) {
        return mutant_named(name) == Mutant::none ? "there is no mutant " + name : std::string();
      },
      "NAME");
  app.add_option("--mutant", said.mutant, "Plant this bug")->check(known);
  app.add_flag("--list-mutants", said.list, "What can be planted");
  app.add_flag("--hunt", said.hunt, "Of each mutant: the first seed that finds it");
  app.add_option("--record", said.record, "Hunt, and write what was found to this file");
  app.add_option("--replay", said.replay, "Is each mutant still found by its recorded seed?");
  app.add_option("--only", said.only, "Hunt or replay these alone")->check(known);
  app.add_option("--hunt-seeds", said.seeds, "How many seeds a hunt tries [10000]");
}

std::optional<int> run_hunt(const HuntSaid& said) {
  planted = mutant_named(said.mutant);
  if (said.list) {
    for (const Planted& one : kPlanted) std::printf("%-36s %s\n", one.name, one.what);
    return 0;
  }
  if (!said.replay.empty()) return replay(said);
  if (said.hunt || !said.record.empty()) return hunt_all(said);
  return std::nullopt;
}

}  // namespace parley::sim
