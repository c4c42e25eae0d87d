// Every repair option, declared once.
#pragma once

#include "base/option.h"

namespace parley::repair {

struct RepairOptions : OptionGroup {
  RepairOptions() : OptionGroup("repair") {}
  DurationOption sync_interval{*this,
                               "sync_interval",
                               2s,
                               {10ms, 3600s},
                               "Pause between two anti-entropy comparisons that this node begins "
                               "(each with the co-owner compared longest ago)."};
  DurationOption call_timeout{
      *this, "call_timeout", 5s, {100ms, 60s}, "Deadline of one repair call."};
  CountOption batch_bytes{*this,
                          "batch_bytes",
                          64_KiB,
                          {1_KiB, 4_MiB},
                          "Bytes of version sets in one repair message (at least one set)."};
  CountOption list_keys{*this, "list_keys", 1024, {16, 65536}, "Keys in one listing message."};
  CountOption background_most{*this,
                              "background_most",
                              1024,
                              {1, 65536},
                              "Background read repairs waiting; past it they are left to "
                              "anti-entropy."};
  DurationOption hint_retry{*this,
                            "hint_retry",
                            1s,
                            {10ms, 600s},
                            "Pause before hints for a target that is up are tried again."};
  CountOption hint_batches_in_flight{
      *this, "hint_batches_in_flight", 2, {1, 64}, "Hint batches under way to one target."};
};

}  // namespace parley::repair
