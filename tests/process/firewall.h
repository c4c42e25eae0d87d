// Cuts between loopback addresses with nftables. The rules sit in a table of this process's own and
// go with it, also when a test fails; tables that a killed run left behind are removed first.
#pragma once

#include <string>
#include <vector>

namespace parley::process_test {

class Firewall {
 public:
  Firewall();
  ~Firewall();
  Firewall(const Firewall&) = delete;
  Firewall& operator=(const Firewall&) = delete;

  // False without root or without nft: the caller skips, saying so.
  static bool available();

  // Drops every packet between the two groups, both ways.
  void cut(const std::vector<std::string>& side_a, const std::vector<std::string>& side_b);
  // Drops packets from `from` to `to` only.
  void cut_one_way(const std::string& from, const std::string& to);
  void heal();

 private:
  void apply(const std::string& rules);
  std::string table_;
};

}  // namespace parley::process_test
