// ConsoleService: gathers what the page is told, from this node's ClusterAdmin and from what the
// other nodes say of themselves, and carries its orders to the nodes concerned. A driver.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/cluster_admin.h"
#include "api/console.h"
#include "api/console_lines.h"
#include "api/work_tally.h"
#include "base/lifetime.h"
#include "runtime/loop.h"

namespace parley::api {

class ConsoleService final : public Console {
 public:
  // A key's replicas are asked for it: nobody shall make them work by holding a key down.
  static constexpr std::size_t kKeysPerSecond = 20;

  ConsoleService(ClusterAdmin& admin, runtime::KjPort& port, runtime::Loop& loop,
                 runtime::Network& network);

  void cluster(Done<std::string> done) override;
  Result<std::string> ring() override;
  void key(const std::string& keyspace, Bytes key, Done<std::string> done) override;
  void carry_out(const ConsoleOrder& order, Done<std::string> done) override;

 private:
  struct Gathering;
  struct Healing;
  struct Ends;
  struct Waiting {
    std::uint64_t epoch = 0;  // when it asked
    Done<std::string> done;
  };

  void gather();
  void ask_others(const std::shared_ptr<Gathering>& gathering);
  void note_word(const std::shared_ptr<Gathering>& gathering, const std::string& address,
                 Result<NodeWord> word);
  void gathered(std::uint64_t epoch, const Result<std::string>& answer);
  NodeWord own_word() const;

  void cut_unless_cut(const std::string& first, const std::string& second, Done<std::string> done);
  void cut(const std::string& at, const std::string& peer, std::function<void(Error)> otherwise,
           Done<std::string> done);
  void heal(const std::vector<std::pair<std::string, std::string>>& at_and_peer,
            Done<std::string> done);
  Result<Endpoint> client_port_of(const std::string& address) const;

  ClusterAdmin& admin_;
  runtime::Loop& loop_;
  ConsoleLines lines_;
  WorkTally tally_;
  std::map<std::string, Endpoint> nodes_;  // by address, as last gathered
  std::vector<Waiting> waiting_;
  // Raised by every order that ended: who asks after it is told nothing that was gathered before.
  std::uint64_t epoch_ = 0;
  bool gathering_ = false;
  Result<std::string> last_ = std::string();
  Instant good_until_{};
  Instant keys_since_{};
  std::size_t keys_asked_ = 0;
  Lifetime lifetime_;
};

}  // namespace parley::api
