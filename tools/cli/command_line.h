// `parley`'s command line as a value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/units.h"
#include "tools/cli/local_words.h"

namespace parley::cli {

enum class OutputForm { Table, Json, Raw };

// As typed after `fault VERB`; fault_plan.h understands the words.
struct FaultWords {
  std::vector<std::string> words;
  std::string traffic = "all";
  Duration lasts{0}, jitter{0};
  bool one_way = false, behind = false;
  std::uint64_t id = 0;  // heal; 0: all
};

// consistency measure, predict, advise. Empty lists: the usual ones.
struct TuningWords {
  std::vector<std::string> read_levels, write_levels;
  std::vector<Duration> at;  // ascending
  Duration duration = 10s;
  std::uint64_t rate = 200, keys = 512;
  Duration within{0};  // advise: by then a share of reads sees a write
  double share = 1;
  std::int64_t survive = 0;
};

struct ConflictWords {
  std::size_t limit = 100;
  Bytes after;  // list what comes behind this key
  std::optional<std::size_t> take;
  bool merges = false;  // the value is what the file held
};

struct ShellWords {
  std::vector<std::string> commands;  // instead of standard input
};

struct CommandLine {
  std::string verb;  // "put", "hints drop", "repair status", "consistency set", ...
  OutputForm output = OutputForm::Table;
  std::vector<std::string> endpoints;
  Duration timeout = 2s;
  bool timeout_given = false;
  bool yes = false;

  Bytes key;
  Bytes value;
  std::string keyspace = "default";
  std::string level;  // empty: the keyspace's default
  std::optional<Bytes> context;
  bool memory_durability = false;
  bool replace = false, blind = false;
  bool trace = false;
  std::string target;                   // hints drop
  bool wait = false;                    // repair
  std::string read_level, write_level;  // consistency set
  FaultWords fault;
  TuningWords tuning;
  std::string demo = "list";  // its name
  bool demo_slow = false;
  std::string demo_record;
  LocalWords local;  // cluster
  ConflictWords conflicts;
  ShellWords shell;
  std::string completion;    // for which shell
  bool input_taken = false;  // standard input holds lines of a shell, so it can be no value
};

// What `line` holds already are the defaults of what is not typed (keyspace, level).
// Exit code to end with now (0 after --help, 2 after a mistake, its message already printed), or
// -1: go on. Reads standard input when the value is "-".
int read_command_line(int argc, char** argv, CommandLine& line);

}  // namespace parley::cli
