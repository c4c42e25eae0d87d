#include "tools/cli/output.h"
#include "tools/cli/verbs.h"
namespace parley::cli {
ExitCode consistency_advise(client::Client&, const CommandLine& line) {
  return fail_read(line, {ErrorCode::Unsupported, "not built yet"});
}
}  // namespace parley::cli
