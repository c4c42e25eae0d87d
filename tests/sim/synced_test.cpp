// What is known of a disk by its commits alone, beside what a power cut leaves of it.
#include "tests/sim/synced.h"

#include "tests/catch.h"
#include "tests/sim/story.h"

namespace parley::sim {
namespace {

constexpr const char* kFile = "parley.db";

// A disk with one file that a process holds open.
struct Held {
  Held() {
    file->share->shared = 1;
    write("schema");
    disk.sync(*file);
  }
  void write(ByteView data) { disk.write(*file, 0, data); }

  SimDisk disk{Random(1)};
  FilePtr file = disk.open(kFile, true);
  Synced synced{disk, kFile};
};

const auto kA1 = dot_of(1, 1), kB1 = dot_of(2, 1);

}  // namespace

TEST_CASE("synced: what was committed is certain once the disk has it", "[synced]") {
  Held held;
  held.write("a");
  held.synced.committed("key", vector_with({kA1}));
  CHECK_FALSE(held.synced.covers("key", vector_with({kA1})));
  held.disk.sync(*held.file);
  CHECK(held.synced.covers("key", vector_with({kA1})));
  CHECK_FALSE(held.synced.covers("key", vector_with({kA1, kB1})));
  CHECK_FALSE(held.synced.covers("other", vector_with({kA1})));
  held.write("b");  // of the next batch: takes nothing away
  CHECK(held.synced.covers("key", vector_with({kA1})));
}

TEST_CASE("synced: a failed sync makes nothing certain until all was written anew", "[synced]") {
  Held held;
  held.write("a");
  held.synced.committed("key", vector_with({kA1}));
  held.disk.fail_sync(*held.file);
  CHECK_FALSE(held.synced.covers("key", vector_with({kA1})));
  held.disk.sync(*held.file);  // the page passes for clean
  CHECK_FALSE(held.synced.covers("key", vector_with({kA1})));
  held.write("a");
  held.disk.sync(*held.file);
  CHECK(held.synced.covers("key", vector_with({kA1})));
}

TEST_CASE("synced: what did not last a life is never certain", "[synced]") {
  Held held;
  held.synced.committed("key", vector_with({kA1}));
  held.write("b");
  held.synced.committed("key", vector_with({kB1}));
  const bool power = GENERATE(false, true);
  power ? held.disk.power_cut() : held.disk.kill();
  held.file->share->shared = 1;
  held.disk.sync(*held.file);
  CHECK(held.synced.covers("key", vector_with({kA1})));
  CHECK_FALSE(held.synced.covers("key", vector_with({kB1})));
}

TEST_CASE("synced: what was stored last is what is there", "[synced]") {
  Held held;
  held.synced.committed("key", vector_with({kA1, kB1}));
  CHECK(held.synced.covers("key", vector_with({kB1})));
  held.synced.committed("key", vector_with({kA1}));
  CHECK_FALSE(held.synced.covers("key", vector_with({kB1})));
  held.synced.forget("key");
  CHECK_FALSE(held.synced.covers("key", vector_with({kA1})));
}

TEST_CASE("synced: another image of the disk is another past", "[synced]") {
  Held held;
  held.synced.committed("key", vector_with({kA1}));
  const bool wipe = GENERATE(false, true);
  wipe ? held.disk.wipe() : held.disk.restore(held.disk.durable_image());
  CHECK_FALSE(held.synced.covers("key", vector_with({kA1})));
}

}  // namespace parley::sim
