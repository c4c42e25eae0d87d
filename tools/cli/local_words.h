// The command line of `parley cluster`: a cluster of one's own on this machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace parley::cli {

// As typed.
struct LocalWords {
  std::string directory;  // once understood
  std::optional<std::string> said_directory;
  std::optional<int> nodes, racks;
  bool allow_faults = false;
  std::vector<std::string> flags;  // for every parleyd
  std::vector<std::string> names;  // n3, 3 or an address
  bool wipe = false, follow = false;
  int lines = 50;
};

void declare_local_verbs(CLI::App& app, LocalWords& words);
bool is_local_verb(const std::string& verb);
// The deadline of a verb when no other is given; "": as every verb's.
std::string usual_local_timeout(const std::string& verb);
// What is wrong with the words, if anything is; fills in the directory.
std::optional<std::string> understand_local(const std::string& verb, bool yes, LocalWords& words);

}  // namespace parley::cli
