// How a traced request is shown: who was asked what, when it answered, and how.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/output.h"

namespace parley::cli {

Json trace_json(const std::vector<client::TraceRow>& rows);
// A table under `title`; times in milliseconds since the request began.
std::string trace_text(const std::string& title, const std::vector<client::TraceRow>& rows);

}  // namespace parley::cli
