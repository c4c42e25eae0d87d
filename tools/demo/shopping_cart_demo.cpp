// Dynamo's cart: items are added on both sides of a cut, in a cluster that keeps siblings and in
// one where the last writer wins.
#include <fmt/format.h>

#include <set>
#include <sstream>

#include "tools/demo/demos.h"
#include "tools/demo/scene.h"

namespace parley::demo {
namespace {

using Cart = std::set<std::string>;
const std::string kCart = "cart:ann";

// A cart is kept as its items: "book lamp". What concurrent writers kept is put together.
Cart cart_of(const client::ReadResult& read) {
  Cart items;
  for (const auto& value : read.values) {
    std::istringstream words(value.value);
    for (std::string item; words >> item;) items.insert(item);
  }
  return items;
}

std::string text_of(const Cart& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : " ") + item;
  return text;
}

// The same shop in both clusters: it reads, adds, and writes with the context of what it read.
class Shop {
 public:
  Shop(Scene& scene, const Side& nodes, std::string level)
      : scene_(scene), client_(scene.client(nodes)), level_(std::move(level)) {}

  Cart open() {
    read_ = scene_.traffic.get(*client_, kCart, read_at(level_));
    return cart_of(read_);
  }
  // "": what was read is written back.
  bool add(const std::string& item) {
    Cart items = open();
    if (!item.empty()) items.insert(item);
    const auto context = read_.context.empty() ? std::nullopt : std::optional(read_.context);
    const auto options = write_at(level_, context);
    return scene_.traffic.put(*client_, kCart, text_of(items), options).outcome == Outcome::Ok;
  }
  std::size_t siblings() const { return read_.values.size(); }

 private:
  Scene& scene_;
  std::unique_ptr<client::Client> client_;
  const std::string level_;
  client::ReadResult read_;
};

// What is left of five purchases, two of them on each side of a cut. nullopt: the stage is broken.
std::optional<Cart> shop_through_a_cut(Stage& stage, Scene& scene, std::size_t values_left) {
  if (!scene.start()) return std::nullopt;
  const Side owners = scene.owners_of(kCart), others = scene.others_than(owners);
  if (!stage.claim(owners.size() == 3, kCart + " lives on " + Scene::names(owners))) {
    return std::nullopt;
  }
  scene.watch({kCart});
  const auto buy = [&stage](Shop& shop, const std::string& where, const std::string& item) {
    stage.claim(shop.add(item), fmt::format("{} adds {}: ok", where, item));
  };
  Shop before(scene, {owners[0]}, "all");
  buy(before, "a shop", "book");
  const Side small = {owners[0], others[0]}, large = {owners[1], owners[2], others[1]};
  stage.claim(scene.cut_apart(small, large),
              "the network falls apart: " + Scene::names(small) + " | " + Scene::names(large));
  Shop here(scene, {owners[0]}, "one"), there(scene, {owners[1]}, "quorum");
  buy(here, "the small side, at one,", "lamp");
  buy(here, "the small side, at one,", "pen");
  buy(there, "the large side, at quorum,", "chair");
  buy(there, "the large side, at quorum,", "desk");
  stage.claim(scene.heal_all() && scene.cluster.wait_settled(seconds(40)),
              "the network heals, and all see all again");
  scene.claim_equal(*scene.client({0}), {kCart}, seconds(30));
  Shop after(scene, {others[1]}, "quorum");
  after.open();
  stage.claim(after.siblings() == values_left, values_left == 1
                                                   ? "a shop reads one cart"
                                                   : "a shop reads two carts, one of each side");
  stage.claim(after.add(""), "it puts together what it read and writes that");
  return after.open();
}

std::string side_by_side(const Cart& bought, const Cart& siblings, const Cart& lww) {
  std::string out = fmt::format("{:<8} {:<14} {}\n", "bought", "siblings", "lww");
  for (const std::string& item : bought) {
    out += fmt::format("{:<8} {:<14} {}\n", item, siblings.contains(item) ? "there" : "LOST",
                       lww.contains(item) ? "there" : "LOST");
  }
  return out;
}

}  // namespace

void play_shopping_cart(Stage& stage) {
  std::optional<Cart> siblings, lww;
  {
    stage.title("First in a cluster that keeps siblings, as Parley does unless told otherwise");
    Scene scene(stage, 5);
    siblings = shop_through_a_cut(stage, scene, 2);
  }
  if (!siblings) return;
  {
    stage.title("Then in a cluster where the last writer wins: parleyd --conflict-rule lww");
    Scene scene(stage, 5, {"--conflict-rule", "lww"});
    lww = shop_through_a_cut(stage, scene, 1);
  }
  if (!lww) return;
  const Cart bought = {"book", "lamp", "pen", "chair", "desk"};
  stage.title("Side by side");
  stage.show(side_by_side(bought, *siblings, *lww));
  stage.claim(*siblings == bought, "siblings: all five items");
  stage.claim(*lww == Cart{"book", "chair", "desk"},
              "lww: lamp and pen were acknowledged, and are gone");
  stage.verdict(
      "Two sides that cannot hear each other both say yes; somebody must put together what they "
      "said. Siblings leave that to those who know what a cart is, and nothing is lost. Where the "
      "last writer wins, the clock decides whose purchases are thrown away; the nodes count it "
      "(replica_discarded_total), but no shop is told.");
}

}  // namespace parley::demo
