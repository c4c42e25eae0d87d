// Raw sockets for hostile bytes and plain HTTP.
#pragma once

#include <chrono>
#include <string>

namespace parley::process_test {

// Connects, sends, reads until the peer closes or `patience` has passed; what was read.
// `connected` is false when the connection was refused.
struct Exchange {
  bool connected = false;
  bool closed_by_peer = false;
  std::string answer;
};
Exchange send_tcp(const std::string& address, int port, const std::string& bytes,
                  std::chrono::milliseconds patience = std::chrono::milliseconds(300));
void send_udp(const std::string& address, int port, const std::string& bytes);
// The whole answer to GET `path`; status 0 when there was none.
struct HttpAnswer {
  int status = 0;
  std::string body;
};
HttpAnswer http_get(const std::string& address, int port, const std::string& path);

}  // namespace parley::process_test
