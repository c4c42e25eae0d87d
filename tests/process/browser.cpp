#include "tests/process/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "tests/catch.h"

namespace parley::process_test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kAnswerMostMs = 30'000;

std::vector<std::string> command_of(const std::string& profile) {
  std::vector<std::string> words = {
      Browser::program(), "--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + profile,
      "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
      "--disable-background-networking", "--disable-sync", "--disable-component-update",
      // A container's /dev/shm may be too small, and memory is for the daemons.
      "--disable-dev-shm-usage", "--renderer-process-limit=1",
      "--js-flags=--max-old-space-size=128"};
  if (geteuid() == 0) words.push_back("--no-sandbox");  // its sandbox refuses root
  words.push_back("about:blank");
  return words;
}

// The browser reads from 3 and writes to 4. The pipes' own numbers are above, so that no dup2
// destroys what the next one needs.
[[noreturn]] void become_browser(int read_end, int write_end, const std::string& profile) {
  setsid();
  const int null = open("/dev/null", O_RDWR);
  dup2(null, 0);
  dup2(null, 1);
  dup2(null, 2);
  const int from = fcntl(read_end, F_DUPFD_CLOEXEC, 64);
  const int to = fcntl(write_end, F_DUPFD_CLOEXEC, 64);
  dup2(from, 3);
  dup2(to, 4);
  const std::vector<std::string> words = command_of(profile);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

std::string bytes_of_base64(const std::string& text) {
  static const std::string kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string::npos) break;
    held = held << 6 | static_cast<unsigned>(digit);
    bits += 6;
    if (bits >= 8) out += static_cast<char>(held >> (bits -= 8) & 0xff);
  }
  return out;
}

}  // namespace

std::string Browser::program() {
  for (const char* path : {"/usr/bin/chromium", "/usr/bin/chromium-browser"}) {
    if (fs::exists(path)) return path;
  }
  return "";
}

Browser::Browser() {
  int down[2], up[2];
  REQUIRE((pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0));
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) become_browser(down[0], up[1], profile_.path());
  close(down[0]);
  close(up[1]);
  to_ = down[1];
  from_ = up[0];
  const Json target = call("Target.createTarget", {{"url", "about:blank"}});
  session_ = call("Target.attachToTarget", {{"targetId", target.at("targetId")}, {"flatten", true}})
                 .at("sessionId");
  call("Page.enable", Json::object());
}

Browser::~Browser() {
  kill(-pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  close(to_);
  close(from_);
}

Json Browser::read_message() {
  while (unread_.find('\0') == std::string::npos) {
    pollfd waiting{from_, POLLIN, 0};
    INFO("the browser does not answer");
    REQUIRE(poll(&waiting, 1, kAnswerMostMs) == 1);
    char chunk[65536];
    const auto size = read(from_, chunk, sizeof chunk);
    INFO("the browser has ended");
    REQUIRE(size > 0);
    unread_.append(chunk, static_cast<std::size_t>(size));
  }
  const auto end = unread_.find('\0');
  Json message = Json::parse(unread_.substr(0, end));
  unread_.erase(0, end + 1);
  return message;
}

Json Browser::call(const std::string& method, Json parameters) {
  Json message = {{"id", ++last_id_}, {"method", method}, {"params", std::move(parameters)}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string line = message.dump() + '\0';
  REQUIRE(write(to_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  for (;;) {
    const Json answer = read_message();
    if (answer.value("id", 0) != last_id_) continue;  // an event
    INFO(method << ": " << answer.dump());
    REQUIRE(answer.contains("result"));
    return answer.at("result");
  }
}

void Browser::size(int width, int height, bool dark) {
  call("Emulation.setDeviceMetricsOverride", {{"width", width},
                                              {"height", height},
                                              {"deviceScaleFactor", width < 600 ? 2 : 1},
                                              {"mobile", width < 600}});
  const Json scheme = {{"name", "prefers-color-scheme"}, {"value", dark ? "dark" : "light"}};
  call("Emulation.setEmulatedMedia", {{"features", Json::array({scheme})}});
}

void Browser::open(const std::string& url) { call("Page.navigate", {{"url", url}}); }

Json Browser::value(const std::string& expression) {
  const Json result =
      call("Runtime.evaluate",
           {{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}});
  INFO(expression << "\n" << result.dump());
  REQUIRE_FALSE(result.contains("exceptionDetails"));
  return result.at("result").value("value", Json());
}

void Browser::click(const std::string& selector) {
  const Json at =
      value("(() => { const e = document.querySelector(" + Json(selector).dump() +
            "); if (!e) return null; e.scrollIntoView({block: 'center'}); const r = "
            "e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()");
  INFO("there is no " << selector);
  REQUIRE(at.is_array());
  for (const char* type : {"mousePressed", "mouseReleased"}) {
    call("Input.dispatchMouseEvent",
         {{"type", type}, {"x", at[0]}, {"y", at[1]}, {"button", "left"}, {"clickCount", 1}});
  }
}

void Browser::press(const std::string& key) {
  const std::map<std::string, int> codes = {
      {"Enter", 13}, {"Tab", 9}, {"Escape", 27}, {"ArrowRight", 39}, {"ArrowLeft", 37}};
  for (const char* type : {"keyDown", "keyUp"}) {
    Json event = {{"type", type}, {"key", key}, {"code", key}};
    event["windowsVirtualKeyCode"] = codes.at(key);
    if (key == "Enter") event["text"] = "\r";
    call("Input.dispatchKeyEvent", std::move(event));
  }
}

void Browser::type(const std::string& text) { call("Input.insertText", {{"text", text}}); }

void Browser::screenshot(const std::string& name) {
  const fs::path folder = fs::path(PARLEY_TEST_OUTPUT) / "console";
  fs::create_directories(folder);
  value("scrollTo(0, 0)");
  const Json shot = call("Page.captureScreenshot", {{"format", "png"}});
  std::ofstream(folder / (name + ".png"), std::ios::binary)
      << bytes_of_base64(shot.at("data").get<std::string>());
}

}  // namespace parley::process_test
