// NodeConfig: everything that an operator can say to one node, with its defaults and checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/option.h"
#include "membership/options.h"
#include "membership/view.h"
#include "repair/options.h"
#include "replication/options.h"
#include "runtime/rpc.h"
#include "storage/sqlite_store.h"

namespace parley::api {

// What clients of one node may take.
struct ServeOptions : OptionGroup {
  ServeOptions() : OptionGroup("serve") {}
  CountOption connections_most{*this,
                               "connections_most",
                               1024,
                               {1, 65536},
                               "Client connections at once; further ones are closed."};
  CountOption calls_most{*this,
                         "calls_most",
                         1024,
                         {1, 65536},
                         "Calls under way on one client connection; past it: overloaded."};
  DurationOption first_message_most{
      *this,
      "first_message_most",
      10s,
      {100ms, 10min},
      "A new client connection without a whole message after this long is closed."};
  DurationOption message_most{*this,
                              "message_most",
                              30s,
                              {100ms, 1h},
                              "A client's message that is not whole this long after its first "
                              "byte closes the connection."};
  DurationOption unread_most{*this,
                             "unread_most",
                             30s,
                             {100ms, 1h},
                             "A client that takes next to none of its waiting answers for this "
                             "long, or has not caught up after four times as long, is "
                             "disconnected."};
  // At least what one reply may bring.
  CountOption unread_bytes_most{*this,
                                "unread_bytes_most",
                                256_MiB,
                                {8_MiB, 1024_MiB},
                                "Past this many bytes of answers that one client left unread, or "
                                "twice as many on the node, its reads are overloaded."};
  DurationOption timeout_most{
      *this, "timeout_most", 60s, {100ms, 3600s}, "Longest deadline that a client may ask for."};
  DurationOption drain{*this,
                       "drain",
                       3s,
                       {0s, 60s},
                       "How long a node that was told to stop waits for calls under way."};
};

// Resource, not a value (options point into their group).
struct NodeConfig {
  std::string data_dir = "parley-data";
  std::string listen = "127.0.0.1";
  std::uint16_t client_port = 7400, peer_port = 7401, http_port = 7402;
  std::vector<Endpoint> seeds;  // peer addresses
  bool found = false;
  std::string cluster = "parley";
  // Of the keyspace `default`, if this node founds the cluster; else what the founder said holds.
  std::optional<membership::ConflictRule> conflict_rule;
  std::string rack = "default", dc = "default";
  std::uint64_t vnodes = 64;
  bool allow_faults = false, insecure = false;
  std::string console_token;  // with allow_faults: what an order of the console must bring

  ServeOptions serve;
  runtime::RpcOptions rpc;
  membership::MembershipOptions membership;
  replication::ReplicationOptions replication;
  repair::RepairOptions repair;
  storage::StoreOptions storage;

  NodeConfig() = default;
  NodeConfig(const NodeConfig&) = delete;
  NodeConfig& operator=(const NodeConfig&) = delete;

  std::vector<OptionGroup*> groups();
  std::vector<const OptionGroup*> groups() const;
  // "membership.probe_interval" = "200ms". InvalidArgument, unchanged, when there is no such option
  // or the text is no value for it.
  Status set_option(std::string_view dotted_name, std::string_view value);
  // One clear line about the first thing that cannot work.
  Status check() const;
};

}  // namespace parley::api
