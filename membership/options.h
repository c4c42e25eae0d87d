// Every membership option, declared once.
#pragma once

#include "base/option.h"

namespace parley::membership {

struct MembershipOptions : OptionGroup {
  MembershipOptions() : OptionGroup("membership") {}
  DurationOption probe_interval{*this,
                                "probe_interval",
                                1s,
                                {50ms, 60s},
                                "Pause between two probes of a member. Lower finds failures "
                                "sooner and costs traffic."};
  DurationOption probe_timeout{*this,
                               "probe_timeout",
                               500ms,
                               {10ms, 30s},
                               "How long a probe waits for its answer before others are asked to "
                               "probe; must be below probe_interval."};
  CountOption indirect_probes{
      *this, "indirect_probes", 3, {0, 16}, "Members asked to probe on our behalf."};
  CountOption suspicion_factor{*this,
                               "suspicion_factor",
                               4,
                               {1, 32},
                               "Suspicion lasts at least factor x max(1, log10 N) intervals."};
  CountOption suspicion_factor_most{*this,
                                    "suspicion_factor_most",
                                    6,
                                    {1, 32},
                                    "A suspicion that nobody confirms lasts this many times the "
                                    "least."};
  CountOption health_most{*this,
                          "health_most",
                          8,
                          {1, 32},
                          "Local health score ceiling: how far a slow node slows its own probing."};
  DurationOption dead_probe_interval{*this,
                                     "dead_probe_interval",
                                     2s,
                                     {50ms, 600s},
                                     "Pause between two probes of a dead member or a seed: what "
                                     "heals partitions."};
  DurationOption sync_interval{*this,
                               "sync_interval",
                               500ms,
                               {20ms, 60s},
                               "Least pause between two pulls of missing records from one peer."};
  DurationOption join_retry{
      *this, "join_retry", 200ms, {10ms, 30s}, "Pause between two attempts to found or join."};
  DurationOption join_lease{
      *this, "join_lease", 3s, {200ms, 60s}, "How long a member's consent to one joiner holds."};
  DurationOption clock_off_most{*this,
                                "clock_off_most",
                                5s,
                                {100ms, 1h},
                                "A node whose clock is further than this from the median of the "
                                "members' clocks makes no last-writer-wins stamps."};
};

}  // namespace parley::membership
