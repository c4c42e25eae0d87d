// One answer on the HTTP port.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace parley::api {

inline constexpr const char* kPlainText = "text/plain; charset=utf-8";

struct HttpReply {
  unsigned status = 200;
  const char* type = kPlainText;
  std::string body;
  std::vector<std::pair<const char*, std::string>> headers;  // besides Content-Type
};

// "Not Found".
const char* status_text(unsigned status);

}  // namespace parley::api
