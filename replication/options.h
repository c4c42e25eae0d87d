// Every replication option, declared once.
#pragma once

#include "base/option.h"

namespace parley::replication {

struct ReplicationOptions : OptionGroup {
  ReplicationOptions() : OptionGroup("replication") {}
  CountOption key_bytes_most{*this, "key_bytes_most", 4_KiB, {1, 64_KiB}, "Longest key."};
  CountOption value_bytes_most{*this, "value_bytes_most", 1_MiB, {1, 4_MiB}, "Largest value."};
  CountOption siblings_most{*this,
                            "siblings_most",
                            64,
                            {1, 1024},
                            "Siblings a key may have before a further concurrent write is "
                            "refused."};
  CountOption set_bytes_most{*this,
                             "set_bytes_most",
                             4_MiB,
                             {1_KiB, 4_MiB},
                             "Bytes of all siblings of a key before a write is refused."};
  CountOption epoch_lease{
      *this, "epoch_lease", 4096, {16, 1048576}, "Key epochs leased ahead with one fsync."};
  DurationOption replica_patience{*this,
                                  "replica_patience",
                                  500ms,
                                  {1ms, 30s},
                                  "A replica that has not acked a write for this long gets a hint "
                                  "(the ack is still awaited until the deadline)."};
  DurationOption read_hedge{*this,
                            "read_hedge",
                            30ms,
                            {1ms, 10s},
                            "A read asks one more replica when an asked one is silent this long."};
  DurationOption pass_hedge{*this,
                            "pass_hedge",
                            300ms,
                            {1ms, 10s},
                            "A coordinator that is no replica passes the write to a second replica "
                            "(same op-id) when the first is silent this long."};
  CountOption hint_bytes_most{*this,
                              "hint_bytes_most",
                              256_MiB,
                              {64_KiB, 65536_MiB},
                              "Bytes of hints kept per target; past it anti-entropy alone "
                              "repairs."};
  DurationOption hint_age_most{*this,
                               "hint_age_most",
                               3 * 3600s,
                               {1s, 720 * 3600s},
                               "Hints older than this are dropped, unless they may be the only "
                               "copy."};
  CountOption in_flight_most{*this,
                             "in_flight_most",
                             8192,
                             {1, 1048576},
                             "Client requests coordinated at once; past it: overloaded."};
  DurationOption latency_half_life{*this,
                                   "latency_half_life",
                                   60s,
                                   {1s, 3600s},
                                   "A latency measured this long ago counts half in what `parley "
                                   "consistency predict` is told."};
};

}  // namespace parley::replication
