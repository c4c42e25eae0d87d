#include "membership/view.h"

#include "tests/catch.h"

namespace parley::membership {
namespace {

NodeId id(std::uint8_t n) {
  NodeId out;
  out.octets[0] = n;
  return out;
}
Member member(std::uint8_t n, const std::string& address, Liveness liveness) {
  Member out;
  out.record.node = id(n);
  out.record.address = address;
  out.record.peer_port = 7401;
  out.liveness = liveness;
  return out;
}

TEST_CASE("view: who is up: this node always, strangers never", "[membership]") {
  View view;
  view.self = id(9);
  view.members = {member(1, "127.0.0.1", Liveness::Alive),
                  member(2, "127.0.0.2", Liveness::Suspect), member(3, "127.0.0.3", Liveness::Dead),
                  member(4, "127.0.0.4", Liveness::Left)};
  CHECK(view.is_up(id(1)));
  CHECK(view.is_up(id(2)));
  CHECK_FALSE(view.is_up(id(3)));
  CHECK_FALSE(view.is_up(id(4)));
  CHECK_FALSE(view.is_up(id(5)));
  CHECK(view.is_up(id(9)));
}

}  // namespace
}  // namespace parley::membership
