// A gray failure: one replica answers, late. Nobody takes it for dead; who waits for it?
#include <fmt/format.h>

#include <algorithm>

#include "tools/demo/demos.h"
#include "tools/demo/vigil.h"

namespace parley::demo {
namespace {

constexpr int kOperations = 200, kPatient = 4;
constexpr auto kDiskDelay = std::chrono::milliseconds(400);

struct Measured {
  std::size_t served = 0;
  Seconds p50{0}, p99{0};
};

// Each one is a put and a get of the key. Timed by themselves, apart from the demo's table.
Measured measure(Scene& scene, client::Client& client, const std::string& key,
                 const std::string& level, int operations) {
  std::vector<Seconds> took;
  Measured out;
  Bytes context = client.get(key, read_at(level)).context;
  for (int i = 0; i < operations; ++i) {
    took.push_back(timed([&] {
      const auto options = context.empty() ? write_at(level) : write_at(level, context);
      const auto put = scene.traffic.put(client, key, fmt::format("{}", i), options);
      context = put.context;
      out.served += put.outcome == Outcome::Ok ? 1 : 0;
    }));
    took.push_back(timed([&] {
      const auto get = scene.traffic.get(client, key, read_at(level));
      out.served += reads(get, fmt::format("{}", i)) ? 1 : 0;
      if (!get.context.empty()) context = get.context;
    }));
  }
  std::sort(took.begin(), took.end());
  out.p50 = percentile(took, 0.5);
  out.p99 = percentile(took, 0.99);
  return out;
}

// Within one run: how fast the machine is, and what else it does, is no part of what is claimed.
bool is_much_faster(const Measured& one, const Measured& other) { return 3 * one.p50 < other.p50; }

std::string in_words(const Measured& measured) {
  return fmt::format("p50 {:.1f} ms, p99 {:.1f} ms", measured.p50.count() * 1000,
                     measured.p99.count() * 1000);
}

}  // namespace

void play_slow_node(Stage& stage) {
  Scene scene(stage, 5, Vigil::flags());
  if (!scene.start()) return;
  const std::string key = "price:9";
  scene.watch({key});
  const Side owners = scene.owners_of(key);
  if (!stage.claim(owners.size() == 3, key + " lives on " + Scene::names(owners))) return;
  const std::size_t slow = owners[2];
  Vigil vigil(scene);
  const auto client = scene.client({owners[0], owners[1]});
  stage.title(fmt::format("All disks are well: {} puts and gets at quorum", 2 * kOperations));
  const Measured before = measure(scene, *client, key, "quorum", kOperations);
  stage.claim(before.served == 2 * kOperations, in_words(before));

  stage.title(fmt::format("Every answer of {}'s disk comes {} ms later", Scene::name(slow),
                          kDiskDelay.count()));
  client::FaultSpec fault;
  fault.kind = "slow_disk";
  fault.delay_ms = static_cast<std::uint64_t>(kDiskDelay.count());
  stage.claim(scene.inject(slow, fault), "the fault is there");
  const Measured quorum = measure(scene, *client, key, "quorum", kOperations);
  stage.claim(quorum.served == 2 * kOperations, "quorum, through the others: " + in_words(quorum));
  const Measured all = measure(scene, *client, key, "all", kPatient);
  stage.claim(all.served == 2 * kPatient && all.p50 >= kDiskDelay, "all: " + in_words(all));
  stage.claim(is_much_faster(quorum, all), "half of those at quorum took less than a third of it");
  const auto through = scene.client({slow});
  const Measured itself = measure(scene, *through, key, "quorum", kPatient);
  stage.claim(itself.served == 2 * kPatient,
              fmt::format("quorum, asked of {} itself: {}", Scene::name(slow), in_words(itself)));
  vigil.keep("it answers probes, which touch no disk");

  stage.title("The disk is well again");
  stage.claim(scene.heal_all(), "the fault is healed");
  scene.claim_equal(*client, {key}, seconds(30));
  const Measured after = measure(scene, *client, key, "all", kPatient);
  stage.claim(after.served == 2 * kPatient && is_much_faster(after, all),
              "all: " + in_words(after));
  stage.verdict(
      "A slow replica is worse to find than a dead one, and need not be found: a write at quorum "
      "ends with the two fast acks, a read asks another replica after 30 ms. Only a level that "
      "wants every replica waits for the slowest, and who asks the slow node itself.");
}

}  // namespace parley::demo
