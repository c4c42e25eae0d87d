// The console as a person has it: in a browser, before a cluster of real nodes.
#include <cstdlib>

#include "tests/process/browser.h"
#include "tests/process/harness.h"

using namespace parley;
using namespace parley::process_test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kToken = "a-token-for-this-test";

// False, with a word why, where there is no browser; in CI that is a failure.
bool has_browser() {
  if (!Browser::program().empty()) return true;
  const char* const ci = std::getenv("CI");
  if (ci != nullptr && *ci != '\0') FAIL("no chromium is installed");
  WARN("skipped: no chromium is installed (./dev packages)");
  return false;
}

LocalClusterOptions breakable(std::size_t nodes) {
  LocalClusterOptions options;
  options.nodes = nodes;
  options.flags = {"--allow-faults", "--console-token", kToken};
  return options;
}

// A node in the ring, by its place from 0.
std::string node(std::size_t i) { return ".node:nth-child(" + std::to_string(i + 1) + ")"; }

// How many nodes of the ring are shown as this.
std::string count_of(const std::string& kind) {
  return "document.querySelectorAll('.node." + kind + "').length";
}

bool shows(Browser& browser, const std::string& expression, local::WallDuration limit = 20s) {
  INFO(expression);
  const bool shown = eventually(limit, [&] { return browser.says(expression); });
  CHECK(shown);
  return shown;
}

std::string text_of(const std::string& id) {
  return "document.getElementById('" + id + "').textContent";
}

// "ADDRESS: TEXT" of every fault, as the command line lists them.
std::set<std::string> faults_of(LocalCluster& cluster) {
  std::set<std::string> out;
  const auto list = cli_json(cluster, 0, {"fault", "list"});
  for (const auto& one : list.json.at("nodes")) {
    for (const auto& fault : one.at("faults")) {
      out.insert(one.at("address").get<std::string>() + ": " + fault.at("text").get<std::string>());
    }
  }
  return out;
}

void open_console(Browser& browser, LocalCluster& cluster, const std::string& token = kToken) {
  browser.size(1280, 900, false);
  browser.open("http://" + cluster.http_endpoint(0) + "/console" +
               (token.empty() ? "" : "#token=" + token));
  REQUIRE(shows(browser, count_of("up") + " === " + std::to_string(cluster.size())));
}

}  // namespace

TEST_CASE("console: the ring is live, a killed node turns to down, its hints are counted",
          "[console]") {
  if (!has_browser()) return;
  LocalCluster cluster(breakable(5));
  REQUIRE(cluster.start());
  Browser browser;
  open_console(browser, cluster);
  CHECK(browser.value("location.hash") == "");  // the token does not stay in the address
  // Every address once, and somebody owns every part of the ring.
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(browser.value("document.querySelector('" + node(i) + "').dataset.address") ==
          cluster.address(i));
  }
  CHECK(browser.value("document.querySelectorAll('.band').length") == 5);

  cluster.kill9(3);
  CHECK(shows(browser, count_of("down") + " === 1 && " + count_of("up") + " === 4"));
  CHECK(browser.says("document.querySelector('" + node(3) + "').classList.contains('down')"));
  const auto key = keys_owned_by(cluster, 0, {0, 1, 3}, 1, "hinted-").front();
  REQUIRE(cluster.cli(0, {"put", key, "x", "-c", "quorum", "--blind"}).exit_code == 0);
  CHECK(shows(browser, text_of("t-hints") + " === '1'"));
  CHECK(shows(browser, text_of("work") + ".includes('quorum')"));

  // Where the key is: the preference list that the command line gives.
  browser.click("#key");
  browser.type(key);
  browser.press("Enter");
  CHECK(shows(browser, text_of("detail-body") + ".includes('no answer')"));
  const auto owners = cluster.owners(0, key);
  for (std::size_t i = 0; i < owners.size(); ++i) {
    CHECK(browser.value("document.querySelector('" + node(owners[i]) + " .order').textContent") ==
          std::to_string(i + 1));
  }
  browser.screenshot("down-1280-light");
  cluster.launch(3);
  CHECK(shows(browser, count_of("up") + " === 5 && " + text_of("t-hints") + " === '0'", 40s));
}

TEST_CASE("console: two nodes are clicked, their link is cut and healed", "[console]") {
  if (!has_browser()) return;
  LocalCluster cluster(breakable(5));
  REQUIRE(cluster.start());
  Browser browser;
  open_console(browser, cluster);
  const std::string from = cluster.address(1), to = cluster.address(3);

  browser.click(node(1));
  browser.click(node(3));
  CHECK(browser.value(text_of("detail-h")) == "Link n2 – n4");
  browser.click("#act");
  CHECK(shows(browser, "document.querySelectorAll('.wire.cut').length === 1"));
  CHECK(faults_of(cluster) == std::set{from + ": cut to and from " + to});
  browser.screenshot("cut-1280-light");

  // Healed with the keyboard alone: the button has the focus already.
  CHECK(shows(browser, "document.activeElement.textContent === 'Heal the link'"));
  browser.press("Enter");
  CHECK(shows(browser, "document.querySelectorAll('.wire.cut').length === 0"));
  CHECK(faults_of(cluster).empty());

  // Chosen with the keyboard alone.
  browser.press("Escape");
  browser.value("document.querySelector('.node[tabindex=\"0\"]').focus()");
  browser.press("Enter");
  browser.press("ArrowRight");
  browser.press("Enter");
  CHECK(browser.value("document.querySelectorAll('.node[aria-pressed=true]').length") == 2);
}

TEST_CASE("console: a late answer about a key changes nothing that was chosen since", "[console]") {
  if (!has_browser()) return;
  LocalCluster cluster(breakable(3));
  REQUIRE(cluster.start());
  Browser browser;
  open_console(browser, cluster);
  // Answers about keys wait until they are let through, newest first.
  browser.value(
      "window.held = []; window.honest = window.fetch; window.fetch = (url, more) => "
      "!url.startsWith('/api/v1/key') ? honest(url, more) : new Promise(go => "
      "held.push(() => honest(url).then(go))); true");
  const auto let_through = [&browser] {
    browser.value(
        "(async () => { for (const go of held.splice(0).reverse()) { await go(); "
        "await new Promise(done => setTimeout(done)); } })()");
  };
  const auto ask = [&browser](const std::string& key) {
    browser.value("document.getElementById('key').value = ''");
    browser.click("#key");
    browser.type(key);
    browser.press("Enter");
    CHECK(shows(browser, "held.length > 0"));
  };
  const std::string title = text_of("detail-h");
  SECTION("a node was chosen") {
    ask("first");
    browser.click(node(1));
    let_through();
    CHECK(browser.value(title) == "n2 · up");
  }
  SECTION("all was let go") {
    ask("first");
    browser.press("Escape");
    let_through();
    CHECK(browser.value(title) == "Choose a node");
  }
  SECTION("another key was asked for") {
    ask("first");
    ask("second");
    CHECK(shows(browser, "held.length === 2"));
    let_through();
    CHECK(browser.value(title) == "Replicas of “second”");
    // Looked up again by itself, which unsays nothing.
    browser.value("say('what was said')");
    CHECK(shows(browser, "held.length === 1"));
    let_through();
    CHECK(browser.value(text_of("said")) == "what was said");
  }
}

TEST_CASE("console: the page asks once at a time, and no rate is of two answers at once",
          "[console]") {
  if (!has_browser()) return;
  LocalCluster cluster(breakable(2));
  REQUIRE(cluster.start());
  Browser browser;
  open_console(browser, cluster);
  const auto asked = browser.value(
      "(async () => {"
      "  const honest = window.fetch; let open = 0, most = 0, all = 0;"
      "  window.fetch = async (url, more) => {"
      "    if (!url.startsWith('/api/v1/cluster')) return honest(url, more);"
      "    most = Math.max(most, ++open); ++all;"
      "    try { return await honest(url, more); } finally { --open; } };"
      "  await Promise.all([poll(), poll(), poll(), poll()]);"
      "  await Promise.all([poll(), poll()]);"
      "  window.fetch = honest;"
      "  return [most, all, Math.min(...samples.slice(1).map((s, i) => s.at - samples[i].at)) >= "
      "50];"
      "})()");
  CHECK(asked.at(0) == 1);
  CHECK(asked.at(1) <= 5);  // two for each call of several, and perhaps the timer's
  CHECK(asked.at(2) == true);
}

TEST_CASE("console: what others cut shows from the far side, and heals from this one",
          "[console]") {
  if (!has_browser()) return;
  LocalCluster cluster(breakable(5));
  REQUIRE(cluster.start());
  Browser browser;
  open_console(browser, cluster);
  REQUIRE(cluster.cli(0, {"fault", "partition", "1,2", "/", "3,4,5"}).exit_code == 0);
  REQUIRE(cluster.cli(0, {"fault", "oneway", "4", "5"}).exit_code == 0);
  CHECK(shows(browser, "document.querySelectorAll('.wire.cut').length === 7"));
  CHECK(shows(browser, count_of("down") + " === 3", 40s));
  // Of the two ends of a one-way cut, among nodes that this one holds for dead.
  CHECK(shows(browser, "state.links.some(l => l.a === '" + cluster.address(3) +
                           "' && l.toB === 'cut' && l.toA === 'sound')"));
  // What a part of the nodes says is not said as if all had.
  CHECK(shows(browser, text_of("t-sync-note") + " === 'as 2 of 5 nodes say'"));
  CHECK(shows(browser, text_of("hints-empty") + " === 'None on the nodes that are seen as up.'"));
  for (const auto& [width, height] : {std::pair{1280, 900}, std::pair{390, 844}}) {
    for (const bool dark : {false, true}) {
      browser.size(width, height, dark);
      INFO(width << (dark ? " dark" : " light"));
      CHECK(browser.says("document.documentElement.scrollWidth <= innerWidth"));
      CHECK(browser.value("[...document.querySelectorAll('button, input')].filter(e => "
                          "e.offsetParent && e.offsetHeight < 43.5).length") == 0);
      browser.screenshot("partition-" + std::to_string(width) + (dark ? "-dark" : "-light"));
    }
  }
  browser.click("#heal-all");
  CHECK(shows(browser, "document.querySelectorAll('.wire.cut').length === 0"));
  CHECK(faults_of(cluster).empty());
  CHECK(shows(browser, count_of("up") + " === 5", 40s));
}

TEST_CASE("console: a slow disk has its badge, and a link cut in part the lesser mark",
          "[console]") {
  if (!has_browser()) return;
  LocalCluster cluster(breakable(3));
  REQUIRE(cluster.start());
  Browser browser;
  open_console(browser, cluster);
  REQUIRE(cluster.cli(0, {"fault", "slow-disk", "2", "100ms", "--jitter", "50ms"}).exit_code == 0);
  CHECK(shows(browser, "document.querySelector('" + node(1) + " .badge').textContent === '!'"));
  REQUIRE(cluster.cli(0, {"fault", "drop", "1", "3", "--traffic", "gossip"}).exit_code == 0);
  CHECK(shows(browser, "document.querySelectorAll('.wire.bad').length === 1"));
  CHECK(browser.value("document.querySelectorAll('.wire.cut').length") == 0);
  browser.click(node(0));
  browser.click(node(2));
  CHECK(shows(browser, text_of("detail-body") + ".includes('(gossip)')"));
}

TEST_CASE("console: a token of an earlier start does not stay in the data directory", "[console]") {
  LocalClusterOptions options;
  options.nodes = 2;
  options.node_flags = {{"--allow-faults", "--console-token", kToken}, {}};
  LocalCluster cluster(std::move(options));
  REQUIRE(cluster.start());
  for (std::size_t i = 0; i < 2; ++i) {
    INFO(i);
    const std::string file = cluster.data_dir(i) + "/console-token";
    REQUIRE(local::run({"touch", file}).exit_code == 0);
    cluster.kill9(i);
    cluster.launch(i);
    CHECK(eventually(20s, [&] { return local::run({"test", "-e", file}).exit_code == 1; }));
  }
}

TEST_CASE("console: who has not the token changes nothing, and a node that dies is missed",
          "[console]") {
  if (!has_browser()) return;
  LocalClusterOptions options;
  options.nodes = 2;
  options.node_flags = {{"--allow-faults"}, {}};
  LocalCluster cluster(std::move(options));
  REQUIRE(cluster.start());
  Browser browser;
  open_console(browser, cluster, "not-its-token-at-all");
  browser.click(node(0));
  browser.click(node(1));
  browser.click("#act");
  CHECK(shows(browser, text_of("said") + ".includes('needs the token')"));
  CHECK(faults_of(cluster).empty());
  // It asks for the one that the node made for itself, for the owner's eyes only.
  const std::string file = cluster.data_dir(0) + "/console-token";
  CHECK(local::run({"stat", "-c", "%a", file}).out == "600\n");
  CHECK(local::run({"test", "-e", cluster.data_dir(1) + "/console-token"}).exit_code == 1);
  browser.click("#token");
  browser.type(local::read_file(file));
  browser.press("Enter");
  CHECK(shows(browser, "!!document.getElementById('act')"));
  browser.click("#act");
  CHECK(shows(browser, "document.querySelectorAll('.wire.cut').length === 1"));
  CHECK(faults_of(cluster).size() == 1);

  cluster.kill9(0);
  CHECK(shows(browser, "document.body.classList.contains('stale') && " + text_of("banner") +
                           ".includes('not been reachable since')"));
  browser.screenshot("not-reachable-1280-light");
  // Another node's console cannot be ordered about where it allows no faults.
  browser.open("http://" + cluster.http_endpoint(1) + "/console");
  CHECK(shows(browser, count_of("down") + " === 1"));
  CHECK(browser.value("fetch('/api/v1/fault', {method: 'POST', body: '{}'}).then(r => "
                      "r.json()).then(a => a.error)") ==
        "this node was not started with --allow-faults");
}
