// ConsoleRoutes: the console on the HTTP port.
//   GET  /console            the page
//   GET  /api/v1/cluster     JSON, as console.capnp says
//   GET  /api/v1/ring
//   GET  /api/v1/key?keyspace=NAME&key=PERCENT-ENCODED
//   POST /api/v1/fault       an order; console_gate.h says whose
#pragma once

#include <kj/async.h>
#include <kj/compat/http.h>

#include <string>
#include <string_view>

#include "api/console.h"
#include "api/console_gate.h"
#include "api/http_reply.h"
#include "base/units.h"

namespace parley::api {

class ConsoleRoutes {
 public:
  // Before `headers` is built. `token` empty: no orders are taken.
  ConsoleRoutes(Console& console, std::string token, kj::Timer& timer, Duration body_timeout,
                kj::HttpHeaderTable::Builder& headers);

  static bool takes(std::string_view path);
  kj::Promise<HttpReply> answer(kj::HttpMethod method, kj::StringPtr url,
                                const kj::HttpHeaders& headers, kj::AsyncInputStream& body);

 private:
  kj::Promise<HttpReply> get(std::string_view path, std::string_view query,
                             const std::string& if_none_match);
  kj::Promise<HttpReply> order(const BrowserRequest& request, kj::AsyncInputStream& body);
  kj::Promise<HttpReply> key(std::string_view query);
  std::string header(const kj::HttpHeaders& headers, kj::HttpHeaderId id) const;

  Console& console_;
  const std::string token_;
  kj::Timer& timer_;
  const Duration body_timeout_;
  const kj::HttpHeaderId origin_, authorization_, if_none_match_;
};

}  // namespace parley::api
