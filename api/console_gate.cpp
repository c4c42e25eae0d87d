#include "api/console_gate.h"

#include <arpa/inet.h>

#include "base/hash.h"

namespace parley::api {
namespace {

constexpr std::string_view kBearer = "Bearer ";

// Without the port; the brackets of an IPv6 address stay.
std::string_view without_port(std::string_view host) {
  const auto bracket = host.rfind(']');
  const auto colon = host.rfind(':');
  if (colon == host.npos || (bracket != host.npos && colon < bracket)) return host;
  const std::string_view port = host.substr(colon + 1);
  const bool digits = !port.empty() && port.find_first_not_of("0123456789") == port.npos;
  return digits ? host.substr(0, colon) : std::string_view{};
}

bool is_json(std::string_view content_type) {
  constexpr std::string_view kJson = "application/json";
  return content_type == kJson || (content_type.substr(0, kJson.size()) == kJson &&
                                   content_type.find_first_of("; ") == kJson.size());
}

}  // namespace

bool is_safe_host(std::string_view host) {
  std::string name(without_port(host));
  if (name == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return true;
  if (name.size() < 2 || name.front() != '[' || name.back() != ']') return false;
  in6_addr v6{};
  return inet_pton(AF_INET6, name.substr(1, name.size() - 2).c_str(), &v6) == 1;
}

std::optional<GateRefusal> refuse_to_show(const BrowserRequest& request) {
  if (is_safe_host(request.host)) return std::nullopt;
  return GateRefusal{403, "the console is served at a numeric address or localhost only"};
}

std::optional<GateRefusal> refuse_to_obey(const BrowserRequest& request, std::string_view token) {
  if (const auto refused = refuse_to_show(request)) return refused;
  if (token.empty()) return GateRefusal{403, "this node was not started with --allow-faults"};
  if (request.origin != "http://" + request.host) {
    return GateRefusal{403, "an order must come from this console's own page"};
  }
  if (!is_json(request.content_type)) return GateRefusal{415, "an order is application/json"};
  const std::string_view said = request.authorization;
  const bool bearer = said.substr(0, kBearer.size()) == kBearer;
  if (!bearer || !equal_constant_time(said.substr(kBearer.size()), token)) {
    return GateRefusal{401,
                       "an order needs the token of this node: see console-token in its data "
                       "directory"};
  }
  return std::nullopt;
}

}  // namespace parley::api
