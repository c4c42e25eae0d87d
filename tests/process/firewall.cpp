#include "tests/process/firewall.h"

#include <signal.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>

#include "tools/local/process.h"

namespace parley::process_test {
namespace {

constexpr const char* kPrefix = "parley_test_";

std::string joined(const std::vector<std::string>& addresses) {
  std::string out;
  for (const auto& address : addresses) out += (out.empty() ? "" : ", ") + address;
  return out;
}

void remove_tables_of_dead_runs() {
  std::istringstream tables(local::run({"nft", "list", "tables"}).out);
  std::string word, family, name;
  while (tables >> word >> family >> name) {
    if (!name.starts_with(kPrefix)) continue;
    const pid_t owner = std::stoi(name.substr(std::string(kPrefix).size()));
    if (kill(owner, 0) != 0) local::run({"nft", "delete", "table", family, name});
  }
}

}  // namespace

bool Firewall::available() {
  return geteuid() == 0 && local::run({"nft", "list", "tables"}).exit_code == 0;
}

Firewall::Firewall() : table_(kPrefix + std::to_string(getpid())) {
  remove_tables_of_dead_runs();
  heal();
}

Firewall::~Firewall() { local::run({"nft", "delete", "table", "ip", table_}); }

void Firewall::apply(const std::string& rules) {
  const auto done = local::run({"nft", "-f", "-"}, rules);
  if (done.exit_code != 0) throw std::runtime_error("nft: " + done.err);
}

void Firewall::heal() {
  apply("table ip " + table_ + " {}\ndelete table ip " + table_ + "\ntable ip " + table_ +
        " { chain cut { type filter hook output priority 0; policy accept; };\n}\n");
}

void Firewall::cut(const std::vector<std::string>& side_a, const std::vector<std::string>& side_b) {
  const std::string a = "{ " + joined(side_a) + " }";
  const std::string b = "{ " + joined(side_b) + " }";
  const std::string rule = "add rule ip " + table_ + " cut ip ";
  apply(rule + "saddr " + a + " ip daddr " + b + " drop\n" + rule + "saddr " + b + " ip daddr " +
        a + " drop\n");
}

void Firewall::cut_one_way(const std::string& from, const std::string& to) {
  apply("add rule ip " + table_ + " cut ip saddr " + from + " ip daddr " + to + " drop\n");
}

}  // namespace parley::process_test
