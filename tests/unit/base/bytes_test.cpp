#include "base/bytes.h"

#include "tests/catch.h"

using namespace parley;

TEST_CASE("bytes: hexadecimal round trip, both cases") {
  CHECK(to_hex(Bytes("\x00\xff\x10", 3)) == "00ff10");
  CHECK(from_hex("00FF10") == Bytes("\x00\xff\x10", 3));
  CHECK_FALSE(from_hex("0"));
  CHECK_FALSE(from_hex("0g"));
}
