// parley-sim: whole clusters under virtual time, one run a seed, several processes beside each
// other.
#include <CLI/CLI.hpp>

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/units.h"
#include "tests/sim/run_flags.h"
#include "tests/sim/shrink.h"
#include "tests/sim/sim_vfs.h"
#ifdef PARLEY_WITH_MUTANTS
#include "tests/sim/mutant_hunt.h"
#endif

namespace parley::sim {
namespace {

using RealClock = std::chrono::steady_clock;

constexpr int kInterrupted = 130;
constexpr std::size_t kHeapBytes = 64_MiB;  // of a job: mostly its nodes' disks
constexpr std::uintptr_t kLargePage = 2_MiB;

struct Said {
  RunOptions run;  // its seed 0: many
  std::uint64_t seeds = 100, first = 1;
  std::uint64_t minutes = 0, jobs = 1, shrink = 60;
  bool twice = false, story = false, verbose = false;
};

struct Totals {
  std::uint64_t seeds = 0, calls = 0, ok = 0, failures = 0;
  double virtual_seconds = 0;
};

// The heap's first megabytes lie in large pages: each page is met anew, and 512 at once cost less.
// An allocator that gives them back to the kernel forgets it, which is as well.
void take_large_pages() {
  void* heap = std::malloc(kHeapBytes);
  const auto begin = reinterpret_cast<std::uintptr_t>(heap);
  const std::uintptr_t from = (begin + kLargePage - 1) / kLargePage * kLargePage;
  const std::uintptr_t to = (begin + kHeapBytes) / kLargePage * kLargePage;
  // A kernel that has none changes nothing.
  if (heap != nullptr) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
  std::free(heap);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);  // whole, so that jobs do not mix
  std::fflush(stdout);
}

std::string violations_of(const RunReport& report) {
  std::ostringstream out;
  for (const Violation& one : report.violations) {
    out << "seed " << report.seed << ": " << one.rule << ": " << one.key << " " << one.what << "\n";
  }
  return out.str();
}

// What was done and what came of it, by time.
std::string story_of(const RunReport& report) {
  std::vector<Told> lines = report.story;
  for (Told& line : lines) line.what = "-- " + line.what;
  lines.insert(lines.end(), report.timeline.begin(), report.timeline.end());
  return text_of(std::move(lines));
}

RunReport run_once(const Said& said, const RunOptions& options) {
  RunReport report = run_seed(options);
  if (said.twice && run_seed(options).digest != report.digest) {
    report.violations.push_back({"repeat", "", "the same seed gave two different runs"});
  }
  return report;
}

// As small as it gets in the time that is given, with all that became of the key in a file.
std::string explain(const Said& said, const RunOptions& options, const RunReport& report) {
  const auto end = RealClock::now() + std::chrono::seconds(said.shrink);
  Shrunk small = shrink(
      options, report, [&said](const RunOptions& smaller) { return run_once(said, smaller); },
      [end] { return RealClock::now() >= end; });
  const std::string command = to_command(small.options);
  small.options.watch = small.report.violations.front().key;
  small.report = run_once(said, small.options);
  const std::string file = "parley-sim-" + std::to_string(options.seed) + ".txt";
  std::ofstream(file) << violations_of(small.report) << story_of(small.report)
                      << "replay: " << command << "\n";
  std::ostringstream out;
  out << "shrunk in " << small.runs << " runs to " << small.report.nodes << " nodes, "
      << small.report.clients << " clients, " << small.report.keys << " keys, "
      << small.report.strikes.size() << " strikes, " << to_seconds(small.options.span)
      << " s; its story: " << file << "\n"
      << violations_of(small.report) << "replay: " << command << "\n";
  return out.str();
}

RunReport run_one(const Said& said, std::uint64_t seed) {
  RunOptions options = said.run;
  options.seed = seed;
  if (said.verbose) options.log = LogLevel::Debug;
  RunReport report = run_once(said, options);
  std::string text = violations_of(report);
  if (said.story) text += story_of(report);
  if (!report.violations.empty() || said.story) text += "replay: " + to_command(options) + "\n";
  print(text);
  if (!report.violations.empty() && said.shrink > 0) print(explain(said, options, report));
  return report;
}

// Seeds first, first + jobs, ... until they or the time are over; a line for each to `out`, and in
// `at` the one under way.
void work(const Said& said, std::uint64_t first, RealClock::time_point end, int out,
          std::uint64_t& at) {
  const std::uint64_t last = said.minutes > 0 ? UINT64_MAX : said.first + said.seeds - 1;
  for (std::uint64_t seed = first; seed <= last && RealClock::now() < end; seed += said.jobs) {
    at = seed;
    const RunReport report = run_one(said, seed);
    std::ostringstream line;
    line << report.calls << " " << report.ok << " " << !report.violations.empty() << " "
         << to_seconds(report.virtual_time) << "\n";
    const std::string text = line.str();
    if (::write(out, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return;
  }
}

void show(const Totals& totals, RealClock::time_point begun, std::FILE* to, char end) {
  const double wall = std::chrono::duration<double>(RealClock::now() - begun).count();
  std::fprintf(to,
               "%llu seeds, %.2f virtual cluster-hours, %.0f virtual seconds a second, %llu calls, "
               "%llu writes ok, %llu failures%c",
               static_cast<unsigned long long>(totals.seeds), totals.virtual_seconds / 3600,
               totals.virtual_seconds / wall, static_cast<unsigned long long>(totals.calls),
               static_cast<unsigned long long>(totals.ok),
               static_cast<unsigned long long>(totals.failures), end);
  std::fflush(to);
}

void add_lines(std::string& buffer, Totals& totals) {
  std::size_t newline = 0;
  while ((newline = buffer.find('\n')) != std::string::npos) {
    std::istringstream line(buffer.substr(0, newline));
    buffer.erase(0, newline + 1);
    std::uint64_t calls = 0, ok = 0, failed = 0;
    double seconds = 0;
    line >> calls >> ok >> failed >> seconds;
    ++totals.seeds;
    totals.calls += calls;
    totals.ok += ok;
    totals.failures += failed;
    totals.virtual_seconds += seconds;
  }
}

// Ctrl-C or a stop ends the children; what they have done so far is told.
volatile std::sig_atomic_t g_told_to_stop = 0;

void hear_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { g_told_to_stop = 1; };  // no SA_RESTART: it ends the read
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

// On a terminal always, in a log once a minute.
class ProgressLine {
 public:
  explicit ProgressLine(RealClock::time_point begun) : begun_(begun) {}
  void tell(const Totals& totals) {
    if (terminal_) return show(totals, begun_, stderr, '\r');
    if (RealClock::now() < next_) return;
    next_ += std::chrono::minutes(1);
    show(totals, begun_, stderr, '\n');
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  const RealClock::time_point begun_;
  RealClock::time_point next_ = begun_ + std::chrono::minutes(1);
};

// Which seed each job is at, where the parent can see it when the child is gone.
class Progress {
 public:
  explicit Progress(std::size_t jobs) : jobs_(jobs) {
    void* at = ::mmap(nullptr, jobs * sizeof(std::uint64_t), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    PARLEY_CHECK(at != MAP_FAILED);
    seeds_ = static_cast<std::uint64_t*>(at);
  }
  ~Progress() { ::munmap(seeds_, jobs_ * sizeof(std::uint64_t)); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  std::uint64_t& seed(std::size_t job) { return seeds_[job]; }

 private:
  const std::size_t jobs_;
  std::uint64_t* seeds_;
};

// One process for each of `firsts`; the seeds at which one of them died.
std::vector<std::uint64_t> run_children(const Said& said, const std::vector<std::uint64_t>& firsts,
                                        RealClock::time_point end, ProgressLine& line,
                                        Totals& totals) {
  int ends[2];
  PARLEY_CHECK(::pipe(ends) == 0);
  Progress progress(firsts.size());
  std::vector<pid_t> children;
  for (std::size_t job = 0; job < firsts.size(); ++job) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(SIGINT, SIG_IGN);
      std::signal(SIGTERM, SIG_DFL);
      ::close(ends[0]);
      work(said, firsts[job], end, ends[1], progress.seed(job));
      std::fflush(stdout);
      ::_exit(0);
    }
    children.push_back(child);
  }
  ::close(ends[1]);
  std::string buffer;
  char bytes[4096];
  for (ssize_t got = 0; !g_told_to_stop && (got = ::read(ends[0], bytes, sizeof bytes)) > 0;) {
    buffer.append(bytes, static_cast<std::size_t>(got));
    add_lines(buffer, totals);
    line.tell(totals);
  }
  ::close(ends[0]);
  if (g_told_to_stop) {
    for (const pid_t child : children) ::kill(child, SIGTERM);
  }
  std::vector<std::uint64_t> died;
  for (std::size_t job = 0; job < children.size(); ++job) {
    int status = 0;
    ::waitpid(children[job], &status, 0);
    if (status != 0 && !g_told_to_stop) died.push_back(progress.seed(job));
  }
  return died;
}

int run_jobs(Said said) {
  const auto begun = RealClock::now();
  const auto end = said.minutes > 0 ? begun + std::chrono::minutes(said.minutes)
                                    : begun + std::chrono::hours(24 * 365);
  if (said.run.seed != 0) {
    said.first = said.run.seed;
    said.seeds = said.jobs = 1;
  }
  std::vector<std::uint64_t> firsts;
  for (std::uint64_t i = 0; i < said.jobs; ++i) firsts.push_back(said.first + i);
  Totals totals;
  ProgressLine line(begun);
  hear_signals();
  while (!firsts.empty() && !g_told_to_stop) {
    const auto died = run_children(said, firsts, end, line, totals);
    firsts.clear();
    for (const std::uint64_t seed : died) {
      RunOptions options = said.run;
      options.seed = seed;
      print("seed " + std::to_string(seed) +
            ": check: its process ended by a signal or a failed check\nreplay: " +
            to_command(options) + "\n");
      ++totals.seeds;
      ++totals.failures;
      firsts.push_back(seed + said.jobs);
    }
  }
  show(totals, begun, stdout, '\n');
  if (g_told_to_stop) return kInterrupted;
  return totals.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace parley::sim

int main(int argc, char** argv) {
  parley::sim::take_large_pages();
  parley::sim::use_sqlite_in_one_thread();
  CLI::App app("Whole Parley clusters in virtual time, with faults, from one seed each.");
  parley::sim::Said said;
  said.run.seed = 0;
  for (const auto& flag : parley::sim::run_flags()) {
    app.add_option_function<std::string>(
        std::string("--") + flag.name,
        [&said, &flag](const std::string& value) {
          const auto set = parley::sim::set_flag(said.run, flag.name, value);
          if (!set) throw CLI::ValidationError(set.error().message);
        },
        flag.help);
  }
  app.add_option("--seeds", said.seeds, "How many seeds [100]");
  app.add_option("--first", said.first, "The first of them [1]");
  app.add_option("--minutes", said.minutes, "Go on for so long instead of counting seeds");
  app.add_option("--jobs", said.jobs, "Processes beside each other [1]")->check(CLI::Range(1, 256));
  app.add_option("--shrink", said.shrink,
                 "Seconds for making a failing run smaller; 0: leave it [60]");
  app.add_flag("--twice", said.twice, "Run each seed twice and compare the digests");
  app.add_flag("--story", said.story, "Tell what happened even if all is well");
  app.add_option("--key", said.run.watch, "With --story: what becomes of this key on every node");
  app.add_flag("--verbose", said.verbose, "The nodes' logs on stderr, with virtual time");
#ifdef PARLEY_WITH_MUTANTS
  parley::sim::HuntSaid hunt;
  parley::sim::add_options(app, hunt);
  CLI11_PARSE(app, argc, argv);
  hunt.jobs = said.jobs;
  if (const auto end = parley::sim::run_hunt(hunt)) return *end;
#else
  CLI11_PARSE(app, argc, argv);
#endif
  return parley::sim::run_jobs(said);
}
