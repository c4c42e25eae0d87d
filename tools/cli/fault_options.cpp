#include "tools/cli/fault_options.h"

#include "base/option.h"

namespace parley::cli {
namespace {

CLI::App* declare(CLI::App& fault, const char* name, const char* doc, const char* words,
                  const char* words_doc, CommandLine& line) {
  CLI::App* verb = fault.add_subcommand(name, doc);
  verb->add_option(words, line.fault.words, words_doc)->type_name("");
  return verb;
}

constexpr const char* kNodes =
    "NODES: 1,3 (places in `parley status`), addresses, beginnings of ids, or all";

}  // namespace

void declare_fault_verbs(CLI::App& app, TypedFault& typed, CommandLine& line) {
  CLI::App* fault = app.add_subcommand(
      "fault", "Break nodes that run with --allow-faults: their links, disks and clocks");
  fault->require_subcommand(1);
  fault->footer(
      "Examples:\n"
      "  parley fault partition 1,2 / 3,4,5 --for 30s\n"
      "  parley fault oneway 1 2              what 1 sends to 2 is lost\n"
      "  parley fault drop 1 all 30%          of datagrams; of streams, late\n"
      "  parley fault delay 1,2 3 50ms --jitter 20ms\n"
      "  parley fault slow-disk 4 100ms\n"
      "  parley fault pause 5 10s\n"
      "  parley fault skew 2 1h --behind\n"
      "  parley fault heal\n" +
      std::string(kNodes) + "\nClients are never cut off, so that faults can always be healed.");
  std::vector<CLI::App*> lasting, on_links;
  const auto link = [&](const char* name, const char* doc, const char* amount) {
    CLI::App* verb = declare(*fault, name, doc, "WORDS", amount, line);
    on_links.push_back(verb);
    lasting.push_back(verb);
    return verb;
  };
  link("partition", "Cut all links between two sides or more", "A,B / C,D,E");
  link("oneway", "Cut what FROM sends to TO", "FROM TO");
  link("drop", "Lose all, or a share, in both directions", "FROM TO [SHARE]");
  CLI::App* delay = link("delay", "Let all come later, in both directions", "FROM TO TIME");
  link("duplicate", "Let datagrams come twice", "FROM TO SHARE");
  link("reorder", "Let datagrams overtake each other", "FROM TO SHARE");
  link("corrupt", "Flip a bit in a share of all that is sent", "FROM TO SHARE");
  link("limit", "Let so many bytes a second pass", "FROM TO RATE");
  CLI::App* disk = declare(*fault, "slow-disk", "Let every answer of the disk come later", "WORDS",
                           "NODES TIME", line);
  CLI::App* skew = declare(*fault, "skew", "Set the wall clock ahead", "WORDS", "NODES TIME", line);
  declare(*fault, "pause", "Let nothing of a node run for a while", "WORDS", "NODES TIME", line);
  CLI::App* heal =
      declare(*fault, "heal", "Heal all faults of all nodes, or of some", "WORDS", "[NODES]", line);
  fault->add_subcommand("list", "Every node's faults");
  lasting.insert(lasting.end(), {disk, skew});
  for (CLI::App* verb : lasting) {
    verb->add_option("--for", typed.lasts, "Heals by itself after this long, such as 10s")
        ->type_name("TIME");
  }
  for (CLI::App* verb : on_links) {
    verb->add_option("--traffic", line.fault.traffic, "peer: streams; gossip: datagrams [all]")
        ->type_name("all|peer|gossip");
    verb->add_flag("--one-way", line.fault.one_way, "Only what FROM sends to TO");
  }
  for (CLI::App* verb : {delay, disk}) {
    verb->add_option("--jitter", typed.jitter, "And up to so much more")->type_name("TIME");
  }
  skew->add_flag("--behind", line.fault.behind, "Behind, not ahead");
  for (CLI::App* verb : fault->get_subcommands({})) verb->fallthrough();
  heal->add_option("--id", line.fault.id, "Only this fault of the one node given")->type_name("N");
}

std::optional<std::string> understand_fault(const TypedFault& typed, CommandLine& line) {
  const auto understand = [](const char* option, const std::string& text,
                             Duration& out) -> std::optional<std::string> {
    if (text.empty()) return std::nullopt;
    const auto span = parse_duration(text);
    if (!span) return std::string(option) + ": " + span.error().message;
    if (*span < 1ms) return std::string(option) + " must be 1ms or more";
    out = *span;
    return std::nullopt;
  };
  if (auto wrong = understand("--for", typed.lasts, line.fault.lasts)) return wrong;
  return understand("--jitter", typed.jitter, line.fault.jitter);
}

}  // namespace parley::cli
