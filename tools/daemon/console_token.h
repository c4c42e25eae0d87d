// What an order of the browser's console must bring: new at each start, readable by whoever may
// read the data directory.
#pragma once

#include <string>

#include "base/result.h"

namespace parley::daemon {

// Into the file `console-token` there, mode 0600. Its text; Internal when it cannot be written.
Result<std::string> make_console_token(const std::string& data_dir);

// What an earlier start left there opens nothing any more. Error Internal when it stays.
Status drop_console_token(const std::string& data_dir);

}  // namespace parley::daemon
