// SimDisk keeps one image and the way back. Here the plain form of the same: two images and every
// byte that was written.
#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <vector>

#include "tests/catch.h"

namespace parley::sim {
namespace {

constexpr std::size_t kSector = 512;

class TwoImages {
 public:
  explicit TwoImages(Random random) : random_(std::move(random)) {}

  bool all_durable() const { return unsynced_.empty() && written == durable; }
  void write(std::size_t at, const Bytes& data) {
    put(written, at, data);
    unsynced_.push_back({at, data});
  }
  void truncate(std::size_t to) {
    written.resize(to);
    unsynced_.push_back({to, {}});
  }
  void sync() {
    for (const auto& [at, data] : unsynced_) put(durable, at, data);
    unsynced_.clear();
  }
  void fail_sync() { unsynced_.clear(); }
  // As SimDisk draws: how much is kept, then each piece.
  void power_cut() {
    const std::uint64_t kept_of_8 = random_.below(9);
    for (const auto& [at, data] : unsynced_) {
      if (data.empty()) {
        if (random_.below(8) < kept_of_8) durable.resize(at);
        continue;
      }
      for (std::size_t done = 0; done < data.size();) {
        const std::size_t place = at + done;
        const std::size_t size = std::min(kSector - place % kSector, data.size() - done);
        if (random_.below(8) < kept_of_8) put(durable, place, data.substr(done, size));
        done += size;
      }
    }
    unsynced_.clear();
    written = durable;
  }

  Bytes written, durable;

 private:
  static void put(Bytes& to, std::size_t at, const Bytes& data) {
    if (data.empty() || to.size() < at) to.resize(at);
    if (!data.empty()) to.replace(at, data.size(), data);
  }
  struct Change {
    std::size_t at;
    Bytes data;
  };
  std::vector<Change> unsynced_;
  Random random_;
};

struct Pair {
  explicit Pair(std::uint64_t seed)
      : disk(Random(seed)), plain(Random(seed)), random(seed + 1), file(disk.open("file", true)) {
    disk.sync(*file);  // its name is durable
  }

  void write() {
    // Often at the end, as a log is; else over what is there, or beyond it.
    const std::size_t end = plain.written.size();
    const std::size_t at = random.below(2) == 0 ? end : random.below(end + 700);
    Bytes data(1 + random.below(1400), ' ');
    for (char& byte : data) byte = static_cast<char>(random.below(256));
    disk.write(*file, static_cast<std::int64_t>(at), data);
    plain.write(at, data);
  }
  // As a start does with its log; changes something only where not all of the file is durable.
  void write_again() {
    const std::size_t at = random.below(plain.written.size() + 1);
    const Bytes data = plain.written.substr(at, 1 + random.below(1400));
    disk.write(*file, static_cast<std::int64_t>(at), data);
    if (!data.empty() && !plain.all_durable()) plain.write(at, data);
  }
  void truncate() {
    const std::size_t to = random.below(plain.written.size() + 300);
    disk.truncate(*file, static_cast<std::int64_t>(to));
    plain.truncate(to);
  }
  void step() {
    switch (random.below(14)) {
      case 0: return truncate();
      case 1:
      case 2: disk.sync(*file); return plain.sync();
      case 3: disk.fail_sync(*file); return plain.fail_sync();
      case 4:
        disk.power_cut();
        plain.power_cut();
        file = disk.open("file", false);
        return;
      case 5:
      case 6: return write_again();
      default: return write();
    }
  }

  SimDisk disk;
  TwoImages plain;
  Random random;
  FilePtr file;
};

}  // namespace

TEST_CASE(
    "sim disk: what is read and what is durable are as if both were kept whole (any order of "
    "writes, rewrites, truncations, syncs, failed syncs and power cuts)",
    "[sim_disk]") {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    Pair pair(seed);
    for (int step = 0; step < 40; ++step) {
      pair.step();
      INFO("seed " << seed << ", step " << step);
      REQUIRE(pair.file->written == pair.plain.written);
      REQUIRE(pair.disk.durable_image().at("file") == pair.plain.durable);
    }
  }
}

TEST_CASE("sim disk: a file is durable as it is read (only when all of it is synced)",
          "[sim_disk]") {
  SimDisk disk(Random(1));
  const FilePtr file = disk.open("file", true);
  file->share->shared = 1;  // a process has it open
  disk.write(*file, 0, "one");
  CHECK_FALSE(disk.is_durable_as_read("file"));
  disk.sync(*file);
  CHECK(disk.is_durable_as_read("file"));
  disk.write(*file, 3, "two");
  disk.fail_sync(*file);
  CHECK_FALSE(disk.is_durable_as_read("file"));
  disk.sync(*file);  // nothing is left to write, and the bytes are not there
  CHECK_FALSE(disk.is_durable_as_read("file"));
  disk.write(*file, 3, "two");
  disk.sync(*file);
  CHECK(disk.is_durable_as_read("file"));
}

TEST_CASE("sim disk: rot hits one place of both images", "[sim_disk]") {
  SimDisk disk(Random(1));
  const FilePtr file = disk.open("file", true);
  disk.write(*file, 0, "one two three");
  disk.sync(*file);
  const auto durable = [&disk] { return disk.durable_image().at("file"); };
  SECTION("all is synced") {
    REQUIRE(disk.damage("file", "two"));
    CHECK(file->written == "one twn three");
    CHECK(durable() == "one twn three");
  }
  SECTION("what is durable was overwritten") {
    disk.write(*file, 4, "TWO");
    REQUIRE(disk.damage("file", "TWO"));
    CHECK(file->written == "one TWN three");
    CHECK(durable() == "one twn three");
  }
  SECTION("it is not durable yet") {
    disk.write(*file, 13, " four");
    REQUIRE(disk.damage("file", "four"));
    CHECK(file->written == "one two three fous");
    CHECK(durable() == "one two three");
  }
  SECTION("after a failed sync") {
    disk.write(*file, 4, "TWO");
    disk.fail_sync(*file);
    REQUIRE(disk.damage("file", "TWO"));
    CHECK(file->written == "one TWN three");
    CHECK(durable() == "one twn three");
  }
  SECTION("it is nowhere") {
    CHECK_FALSE(disk.damage("file", "four"));
    CHECK_FALSE(disk.damage("none", "two"));
    CHECK(file->written == "one two three");
  }
}

}  // namespace parley::sim
