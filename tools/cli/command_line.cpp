#include "tools/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>

#include "base/option.h"
#include "replication/level.h"
#include "tools/cli/command_tree.h"
#include "tools/cli/conflict_options.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/fault_options.h"
#include "tools/cli/help_format.h"
#include "tools/cli/shell_options.h"
#include "tools/cli/split.h"
#include "tools/cli/standard_streams.h"
#include "tools/cli/tuning_options.h"

namespace parley::cli {
namespace {

// As typed, before any of it is understood.
struct Typed {
  std::string output = "table", endpoints, timeout, key, value;
  std::optional<std::string> context;  // an empty one was still given: "nothing seen"
  std::string durability = "fsync", level;
  bool hex = false;
  TypedFault fault;
  TypedTuning tuning;
  TypedConflicts conflicts;
};

// Standard input is read up to this; the server's own limit is smaller and says so itself.
constexpr std::size_t kStdinBytesMost = 64_MiB;

int usage_error(const Typed& typed, const std::string& message) {
  std::fprintf(stderr, "parley: %s\n", message.c_str());
  if (typed.output == "json") {
    const nlohmann::json error = {{"error", {{"code", "usage"}, {"message", message}}}};
    std::printf("%s\n", error.dump().c_str());
  }
  return kUsage;
}

void declare_globals(CLI::App& app, Typed& typed, CommandLine& line) {
  app.add_option("-o,--output", typed.output, "Form of what is printed [table]")
      ->take_last()
      ->type_name("table|json|raw");
  app.add_option("-e,--endpoints", typed.endpoints,
                 "Client ports to ask, with commas [127.0.0.1:7400, or PARLEY_ENDPOINTS]")
      ->take_last()
      ->type_name("ADDRESS:PORT");
  app.add_option("--timeout", typed.timeout,
                 "Deadline of the whole command, such as 500ms [2s; more where it waits]")
      ->take_last()
      ->type_name("TIME");
  app.add_flag("-y,--yes", line.yes, "Do not ask before a destructive verb");
  app.set_version_flag("--version", std::string("parley ") + PARLEY_VERSION);
}

CLI::App* declare_keyed(CLI::App& app, const char* name, const char* doc, Typed& typed,
                        CommandLine& line, bool required = true) {
  CLI::App* verb = app.add_subcommand(name, doc);
  verb->add_option("KEY", typed.key, "The key")->required(required)->type_name("");
  verb->add_flag("--hex", typed.hex, "KEY is hexadecimal");
  verb->add_option("-k,--keyspace", line.keyspace, "Keyspace [default]")->type_name("KEYSPACE");
  return verb;
}

void declare_data_verbs(CLI::App& app, Typed& typed, CommandLine& line) {
  CLI::App* put = declare_keyed(app, "put", "Write a value", typed, line);
  put->add_option("VALUE", typed.value, "The value; - reads standard input")
      ->required()
      ->type_name("");
  CLI::App* del = declare_keyed(app, "del", "Delete a key", typed, line);
  CLI::App* get = declare_keyed(app, "get", "Read a key: every live sibling", typed, line);
  for (CLI::App* verb : {put, del, get}) {
    verb->add_option("-c,--consistency", typed.level,
                     "all, quorum, one, any or a number [the keyspace's default]")
        ->type_name("LEVEL");
    verb->add_flag("--trace", line.trace, "Say who was asked what, and when each answered");
  }
  for (CLI::App* verb : {put, del}) {
    verb->add_option("--context", typed.context,
                     "Replace what this read's context saw (of siblings: just that)")
        ->type_name("TOKEN");
    verb->add_option("--durability", typed.durability, "What an ack means [fsync]")
        ->type_name("fsync|memory");
    verb->add_flag("--replace", line.replace, "Replace all siblings that are there");
    verb->add_flag("--blind", line.blind, "Do not read first: add a sibling");
  }
  CLI::App* conflicts = declare_keyed(
      app, "conflicts", "Keys with several live values; resolve one", typed, line, false);
  conflicts->add_option("-c,--consistency", typed.level, "Level of the read and the write")
      ->type_name("LEVEL");
  conflicts->add_option("--context", typed.context, "--merge replaces exactly what this one saw")
      ->type_name("TOKEN");
  conflicts->add_flag("--trace", line.trace, "Say who was asked what, and when each answered");
  declare_conflicts(*conflicts, typed.conflicts);
  declare_keyed(app, "inspect", "Each replica's own state of a key", typed, line);
  declare_keyed(app, "endpoints", "The key's replicas, in preference order", typed, line);
}

void declare_cluster_verbs(CLI::App& app, Typed& typed, CommandLine& line) {
  app.add_subcommand("status", "Nodes, as the node asked sees them");
  app.add_subcommand("ring", "Virtual nodes and who holds them");
  app.add_subcommand("info", "The node asked: identity, options, counts");
  app.add_subcommand("gossip", "What the failure detector of the node asked knows");
  CLI::App* hints = app.add_subcommand("hints", "Hints kept, by holder and target");
  CLI::App* drop = hints->add_subcommand("drop", "Drop hints (anti-entropy still repairs)");
  drop->add_option("--target", line.target, "Only hints for this address or node id")
      ->type_name("ADDRESS");
  CLI::App* repair = app.add_subcommand("repair", "One anti-entropy round on every node, now");
  repair->add_flag("--wait", line.wait, "Wait until it has ended");
  repair->add_subcommand("status", "What each pair of replicas last found");
  CLI::App* consistency =
      app.add_subcommand("consistency", "A keyspace's default levels; what each level gives now");
  consistency->add_option("-k,--keyspace", line.keyspace, "Keyspace [default]")
      ->type_name("KEYSPACE");
  consistency->add_subcommand("show", "Show them");
  CLI::App* explain = consistency->add_subcommand(
      "explain", "A key's replicas, and what each level would answer at this moment, and why");
  explain->add_option("KEY", typed.key, "The key")->required()->type_name("");
  explain->add_flag("--hex", typed.hex, "KEY is hexadecimal");
  CLI::App* set = consistency->add_subcommand("set", "Change them, for every client");
  set->add_option("--read", line.read_level, "Default level of reads")->type_name("LEVEL");
  set->add_option("--write", line.write_level, "Default level of writes")->type_name("LEVEL");
  declare_tuning_verbs(*consistency, typed.tuning, line);
  for (CLI::App* group : {hints, repair, consistency}) {
    for (CLI::App* sub : group->get_subcommands({})) sub->fallthrough();
  }
}

int understand_globals(const Typed& typed, CommandLine& line) {
  if (typed.output == "table")
    line.output = OutputForm::Table;
  else if (typed.output == "json")
    line.output = OutputForm::Json;
  else if (typed.output == "raw")
    line.output = OutputForm::Raw;
  else
    return usage_error(typed, "-o must be table, json or raw, not '" + typed.output + "'");
  std::string usual = usual_local_timeout(line.verb);
  // A round compares everything with everyone: unless told otherwise it may take its time.
  if (usual.empty()) usual = line.verb == "repair" && line.wait ? "60s" : "2s";
  const auto timeout = parse_duration(typed.timeout.empty() ? usual : typed.timeout);
  if (!timeout.ok()) return usage_error(typed, "--timeout: " + timeout.error().message);
  if (*timeout < 1ms || *timeout > std::chrono::hours(1)) {
    return usage_error(typed, "--timeout must be between 1ms and 1h");
  }
  line.timeout = *timeout;
  line.timeout_given = !typed.timeout.empty();
  return -1;
}

int understand_endpoints(const Typed& typed, CommandLine& line) {
  std::string endpoints = typed.endpoints;
  if (endpoints.empty()) {
    const char* from_environment = std::getenv("PARLEY_ENDPOINTS");
    endpoints = from_environment != nullptr ? from_environment : "";
  }
  if (endpoints.empty()) endpoints = "127.0.0.1:7400";
  line.endpoints = split(endpoints, ",");
  for (const std::string& endpoint : line.endpoints) {
    if (!parse_endpoint(endpoint)) {
      return usage_error(
          typed, "'" + endpoint + "' is not ADDRESS:PORT with a numeric address or localhost");
    }
  }
  if (line.endpoints.empty()) return usage_error(typed, "no endpoint given");
  return -1;
}

int understand_level(const Typed& typed, const char* option, const std::string& text,
                     std::string& out) {
  if (text.empty()) return -1;
  const auto level = replication::parse_level(text);
  if (!level.ok()) return usage_error(typed, std::string(option) + ": " + level.error().message);
  if (replication::to_text(*level) != text) {
    return usage_error(typed, std::string(option) + ": '" + text + "' is no plain number");
  }
  out = text;
  return -1;
}

int understand_keyed(const Typed& typed, CommandLine& line) {
  line.key = typed.key;
  if (typed.hex) {
    const auto key = from_hex(typed.key);
    if (!key) return usage_error(typed, "KEY is not hexadecimal: '" + typed.key + "'");
    line.key = *key;
  }
  if (line.key.empty()) return usage_error(typed, "KEY must not be empty");
  if (typed.context) {
    const auto context = from_base64url(*typed.context);
    if (!context)
      return usage_error(typed, "--context is malformed: it is not what a read printed");
    line.context = *context;
  }
  if (typed.durability != "fsync" && typed.durability != "memory") {
    return usage_error(typed,
                       "--durability must be fsync or memory, not '" + typed.durability + "'");
  }
  line.memory_durability = typed.durability == "memory";
  const int given = (line.replace ? 1 : 0) + (line.blind ? 1 : 0) + (line.context ? 1 : 0);
  if (given > 1) return usage_error(typed, "--context, --replace and --blind exclude each other");
  line.value = typed.value;
  if (line.verb == "put" && typed.value == "-") {
    if (line.input_taken) {
      return usage_error(typed, "a value of - is standard input, which holds the shell's lines");
    }
    auto value = read_standard_input(kStdinBytesMost);
    if (!value.ok()) return usage_error(typed, value.error().message);
    line.value = std::move(*value);
  }
  return understand_level(typed, "-c", typed.level, line.level);
}

// "hints drop": the verb and what stands under it.
std::string chosen_verb(const CLI::App& app) {
  std::string verb;
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    verb += (verb.empty() ? "" : " ") + at->get_name();
  }
  return verb;
}

// -o json must hold even for a line that cannot be parsed.
void note_output_form(int argc, char** argv, Typed& typed) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool next = (word == "-o" || word == "--output") && i + 1 < argc;
    const bool json_next = next && std::string(argv[i + 1]) == "json";
    if (json_next || word == "-ojson" || word == "--output=json" || word == "-o=json") {
      typed.output = "json";
    }
  }
}

}  // namespace

namespace {

void declare(CLI::App& app, Typed& typed, CommandLine& line) {
  app.formatter(help_format());
  declare_globals(app, typed, line);
  declare_data_verbs(app, typed, line);
  declare_cluster_verbs(app, typed, line);
  declare_fault_verbs(app, typed.fault, line);
  CLI::App* demo = app.add_subcommand("demo", "Break real nodes in front of you");
  demo->add_option("NAME", line.demo, "Which demo, or list [list]")->type_name("");
  demo->add_flag("--slow", line.demo_slow, "Time to read after each step");
  demo->add_option("--record", line.demo_record, "An asciicast of it: FILE, for asciinema play")
      ->type_name("FILE");
  declare_local_verbs(app, line.local);
  declare_shell(app, typed.level, line);
  app.add_subcommand("completion", "A script for your shell, so that Tab completes parley's words")
      ->add_option("SHELL", line.completion, "For which shell")
      ->required()
      ->type_name("bash|zsh");
  app.require_subcommand(0, 1);
  for (CLI::App* verb : app.get_subcommands({})) verb->fallthrough();
  group_verbs(app);
  app.footer(
      "Examples:\n"
      "  parley put greeting hello            at the keyspace's default level\n"
      "  parley get greeting -c one           fast; perhaps not the newest\n"
      "  parley put greeting hi -c any        if need be, as a hint\n"
      "  parley inspect greeting              what each replica holds\n"
      "  parley shell                         a prompt, with history and Tab\n"
      "  parley VERB --help                   what a verb takes\n"
      "\n"
      "Data goes to standard output, everything else to standard error. Ends with:\n"
      "0 ok, 1 not found or replicas differ, 2 usage, 3 cannot connect, 4 unavailable\n"
      "(nothing was written), 5 may have been written, 6 conflict, 7 overloaded, 8 not\n"
      "authorised, 9 internal, 130 interrupted.");
}

}  // namespace

CommandNode command_tree() {
  CLI::App app("parley: talk to a Parley cluster", "parley");
  Typed typed;
  CommandLine line;
  declare(app, typed, line);
  return tree_of(app);
}

int read_command_line(int argc, char** argv, CommandLine& line) {
  CLI::App app("parley: talk to a Parley cluster", "parley");
  Typed typed;
  declare(app, typed, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    note_output_form(argc, argv, typed);
    return usage_error(typed, e.what());
  }
  line.verb = chosen_verb(app);
  if (line.verb.empty()) return usage_error(typed, "a verb is wanted: parley --help lists them");
  int done = understand_globals(typed, line);
  if (done >= 0) return done;
  if (is_local_verb(line.verb)) {
    const auto wrong = understand_local(line.verb, line.yes, line.local);
    return wrong ? usage_error(typed, *wrong) : -1;
  }
  done = understand_endpoints(typed, line);
  if (done >= 0) return done;
  const bool keyed = line.verb == "put" || line.verb == "get" || line.verb == "del" ||
                     line.verb == "inspect" || line.verb == "endpoints" ||
                     line.verb == "consistency explain";
  if (keyed) return understand_keyed(typed, line);
  if (line.verb == "conflicts") {
    done = typed.key.empty() ? -1 : understand_keyed(typed, line);
    if (done >= 0) return done;
    const auto wrong = understand_conflicts(typed.conflicts, line);
    return wrong ? usage_error(typed, *wrong) : -1;
  }
  if (line.verb == "completion" && line.completion != "bash" && line.completion != "zsh") {
    return usage_error(typed, "completion is for bash or zsh, not '" + line.completion + "'");
  }
  if (line.verb == "shell") return understand_level(typed, "-c", typed.level, line.level);
  if (line.verb == "consistency set") {
    if (line.read_level.empty() && line.write_level.empty()) {
      return usage_error(typed, "consistency set wants --read LEVEL, --write LEVEL or both");
    }
    done = understand_level(typed, "--read", line.read_level, line.read_level);
    if (done < 0) done = understand_level(typed, "--write", line.write_level, line.write_level);
  }
  if (is_tuning_verb(line.verb)) {
    const auto wrong = understand_tuning(typed.tuning, line);
    return wrong ? usage_error(typed, *wrong) : -1;
  }
  if (const auto wrong = understand_fault(typed.fault, line)) return usage_error(typed, *wrong);
  if (line.verb == "hints drop" && !line.yes) {
    return usage_error(typed, "hints drop is destructive: repeat it with --yes");
  }
  return done;
}

}  // namespace parley::cli
