// Dynamo's cart: items are added on both sides of a cut. Kept by shops that join what they read,
// and by shops that let the last writer win.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

using Cart = std::set<std::string>;

// A cart as it is kept: when it was written, and its items. "1700000000123 book lamp".
struct Written {
  std::int64_t at_ms = 0;
  Cart items;
};

Written parse(const std::string& value) {
  std::istringstream words(value);
  Written out;
  words >> out.at_ms;
  for (std::string item; words >> item;) out.items.insert(item);
  return out;
}

std::string text_of(const Cart& items) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string text =
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  for (const std::string& item : items) text += " " + item;
  return text;
}

Cart all_of_them(const client::ReadResult& read) {
  Cart items;
  for (const auto& value : read.values) items.merge(parse(value.value).items);
  return items;
}

Cart the_newest(const client::ReadResult& read) {
  Written newest;
  for (const auto& value : read.values) {
    const Written one = parse(value.value);
    if (one.at_ms >= newest.at_ms) newest = one;
  }
  return newest.items;
}

struct Kind {
  std::string key;
  Cart (*understand)(const client::ReadResult&);
};

class Shop {
 public:
  Shop(Scene& scene, const Side& nodes, std::string level)
      : scene_(scene), client_(scene.client(nodes)), level_(std::move(level)) {}

  Cart open(const Kind& kind) {
    read_ = scene_.traffic.get(*client_, kind.key, read_at(level_));
    return kind.understand(read_);
  }
  // "": nothing is added, and what was understood is written back.
  bool add(const Kind& kind, const std::string& item) {
    Cart items = open(kind);
    if (!item.empty()) items.insert(item);
    const auto context = read_.context.empty() ? std::nullopt : std::optional(read_.context);
    const auto options = write_at(level_, context);
    return scene_.traffic.put(*client_, kind.key, text_of(items), options).outcome == Outcome::Ok;
  }
  std::size_t siblings() const { return read_.values.size(); }

 private:
  Scene& scene_;
  std::unique_ptr<client::Client> client_;
  const std::string level_;
  client::ReadResult read_;
};

std::string side_by_side(const Cart& bought, const Cart& joined, const Cart& newest) {
  std::string out = fmt::format("{:<8} {:<14} {}\n", "bought", "joined", "last writer");
  for (const std::string& item : bought) {
    out += fmt::format("{:<8} {:<14} {}\n", item, joined.contains(item) ? "there" : "LOST",
                       newest.contains(item) ? "there" : "LOST");
  }
  return out;
}

}  // namespace

void play_shopping_cart(Stage& stage) {
  Scene scene(stage, 5);
  if (!scene.start()) return;
  const Kind joined = {"cart:joined", all_of_them};
  const Side owners = scene.owners_of(joined.key), others = scene.others_than(owners);
  if (!stage.claim(owners.size() == 3, joined.key + " lives on " + Scene::names(owners))) return;
  const Kind newest = {scene.find_key("cart:newest", owners), the_newest};
  if (newest.key.empty()) return;
  scene.watch({joined.key, newest.key});
  stage.title("The same purchases go into two carts");
  stage.say(joined.key + ": shops put together all siblings that they read.");
  stage.say(newest.key +
            ": shops write the time beside the items; of several siblings they take "
            "the newest and throw the others away, as clients of a store do in which the last "
            "writer wins. Parley itself keeps siblings, in both carts: the shops do it.");
  const auto buy = [&](Shop& shop, const std::string& where, const std::string& item) {
    const bool both = shop.add(joined, item) && shop.add(newest, item);
    stage.claim(both, fmt::format("{} adds {} to both", where, item));
  };
  Shop before(scene, {owners[0]}, "all");
  buy(before, "a shop", "book");

  const Side small = {owners[0], others[0]}, large = {owners[1], owners[2], others[1]};
  stage.title("The network falls apart, and both sides go on shopping");
  stage.claim(scene.cut_apart(small, large), Scene::names(small) + " | " + Scene::names(large));
  Shop here(scene, {owners[0]}, "one"), there(scene, {owners[1]}, "quorum");
  buy(here, "the small side, at one,", "lamp");
  buy(here, "the small side, at one,", "pen");
  buy(there, "the large side, at quorum,", "chair");
  buy(there, "the large side, at quorum,", "desk");

  stage.title("The network heals; a shop opens both carts");
  stage.claim(scene.heal_all() && scene.cluster.wait_settled(seconds(40)), "all see all again");
  scene.claim_equal(*scene.client({0}), {joined.key, newest.key}, seconds(30));
  Shop after(scene, {others[1]}, "quorum");
  for (const Kind& kind : {joined, newest}) {
    after.open(kind);
    stage.claim(after.siblings() == 2, kind.key + ": two siblings, one from each side");
    stage.claim(after.add(kind, ""), "  what the shop understood is written with their context");
  }
  const Cart bought = {"book", "lamp", "pen", "chair", "desk"};
  const Cart in_joined = after.open(joined), in_newest = after.open(newest);
  stage.title("Side by side");
  stage.show(side_by_side(bought, in_joined, in_newest));
  stage.claim(in_joined == bought, "joined: all five items");
  stage.claim(in_newest == Cart{"book", "chair", "desk"},
              "last writer: lamp and pen were acknowledged, and are gone");
  stage.verdict(
      "Two sides that cannot hear each other both say yes; somebody must put together what they "
      "said. Siblings leave that to those who know what a cart is, and nothing is lost. Where the "
      "newest wins, the clock decides whose purchases are thrown away, and nobody is told.");
}

}  // namespace parley::demo
