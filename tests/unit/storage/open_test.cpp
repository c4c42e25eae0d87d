// What open() refuses, with which words, leaving what it found alone; and the frozen format.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/fake/fault_vfs.h"
#include "tests/unit/storage/raw_database.h"
#include "tests/unit/storage/store_case.h"

using namespace parley;
using namespace parley::storage_test;

namespace {

struct OpenCase {
  fake::World world;
  fake::TempDirectory directory;
  StoreOptions options;
  std::vector<std::unique_ptr<MetricRegistry>> metrics;
  std::string path = directory.path() + "/parley.db";

  Result<std::unique_ptr<Store>> open(const std::string& where, SqliteSettings settings) {
    metrics.push_back(std::make_unique<MetricRegistry>());
    return open_sqlite_store_with(settings, where, options, world.node("127.0.0.1").loop(),
                                  Logger{}, *metrics.back(), nullptr);
  }
  Error refused(const std::string& where, SqliteSettings settings = fake::inline_settings()) {
    auto opened = open(where, settings);
    REQUIRE_FALSE(opened.ok());
    CHECK_FALSE(opened.error().message.empty());
    CHECK(opened.error().message.find('\n') == Bytes::npos);
    return opened.error();
  }
  void write_file(const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  std::string read_file() const {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }
  // A closed store with some records in it.
  void fill() {
    auto opened = open(directory.path(), fake::inline_settings());
    REQUIRE(opened.ok());
    int done = 0;
    for (int i = 0; i < 200; ++i) {
      (*opened)->update(record_key("k" + std::to_string(i)), put(Bytes(500, 'v')),
                        Durability::Fsync, [&](Result<Updated>) { ++done; });
    }
    world.run_for(0ms);
    REQUIRE(done == 200);
  }
};

bool has(const Error& error, const char* words) { return error.message.find(words) != Bytes::npos; }

}  // namespace

TEST_CASE("open: the path is a file") {
  OpenCase test;
  test.write_file("hello");
  const Error error = test.refused(test.path);
  CHECK(error.code == ErrorCode::InvalidArgument);
  CHECK(has(error, "not a directory"));
  CHECK(test.read_file() == "hello");
}

TEST_CASE("open: a directory that cannot be made or written") {
  OpenCase test;
  CHECK(test.refused("/proc/parley").code == ErrorCode::InvalidArgument);
  if (::geteuid() == 0) return;  // root may write anywhere
  REQUIRE(::chmod(test.directory.path().c_str(), 0500) == 0);
  CHECK(has(test.refused(test.directory.path()), "Permission denied"));
  REQUIRE(::chmod(test.directory.path().c_str(), 0700) == 0);
}

TEST_CASE("open: a new directory is made; a second opener is refused until the first closes") {
  OpenCase test;
  const std::string nested = test.directory.path() + "/a/b";
  auto first = test.open(nested, {});
  REQUIRE(first.ok());
  const Error error = test.refused(nested);
  CHECK(error.code == ErrorCode::InvalidArgument);
  CHECK(has(error, "in use by another process"));
  first->reset();
  CHECK(test.open(nested, {}).ok());
}

TEST_CASE("open: files that are no database stay as they are") {
  OpenCase test;
  const std::string garbage =
      GENERATE(std::string(8192, 'g'), std::string("short"), std::string("SQLite format 3\0", 16));
  test.write_file(garbage);
  const Error error = test.refused(test.directory.path());
  CHECK(error.code == ErrorCode::Damaged);
  CHECK(has(error, "not a database"));
  CHECK(test.read_file() == garbage);
}

TEST_CASE("open: an empty file is a new store") {
  OpenCase test;
  test.write_file("");
  CHECK(test.open(test.directory.path(), {}).ok());
}

TEST_CASE("open: another program's database stays as it is") {
  OpenCase test;
  raw_sql(test.path,
          "PRAGMA journal_mode=WAL; CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
  const std::string before = test.read_file();
  const Error error = test.refused(test.directory.path());
  CHECK(error.code == ErrorCode::InvalidArgument);
  CHECK(has(error, "another program"));
  CHECK(test.read_file() == before);
}

TEST_CASE("open: a newer format is unsupported, and stays as it is") {
  OpenCase test;
  test.fill();
  raw_sql(test.path, "PRAGMA user_version=2");
  const std::string before = test.read_file();
  const Error error = test.refused(test.directory.path());
  CHECK(error.code == ErrorCode::Unsupported);
  CHECK(has(error, "newer version"));
  CHECK(test.read_file() == before);
  raw_sql(test.path, "PRAGMA user_version=0");
  CHECK(test.refused(test.directory.path()).code == ErrorCode::Damaged);
}

TEST_CASE("open: truncated, overwritten and incomplete databases are damaged") {
  OpenCase test;
  test.fill();
  const std::string whole = test.read_file();
  REQUIRE(whole.size() > 20 * 4096);
  SECTION("truncated") { test.write_file(whole.substr(0, whole.size() / 2)); }
  SECTION("cut in the first page") { test.write_file(whole.substr(0, 2000)); }
  SECTION("pages overwritten") {
    std::string broken = whole;
    for (std::size_t page = 2; page < 20; ++page) broken.replace(page * 4096, 64, 64, '\xee');
    test.write_file(broken);
  }
  SECTION("a table is missing") { raw_sql(test.path, "DROP TABLE hints"); }
  SECTION("a named value fails its checksum") {
    raw_sql(test.path, "INSERT INTO named VALUES(x'61', 1, x'62')");
  }
  const std::string before = test.read_file();
  const Error error = test.refused(test.directory.path());
  CHECK(error.code == ErrorCode::Damaged);
  CHECK(has(error, "damaged"));
  CHECK(test.read_file() == before);
}

TEST_CASE("open: no room to create it") {
  OpenCase test;
  fake::FaultVfs vfs;
  SqliteSettings settings = fake::inline_settings();
  settings.vfs = vfs.name();
  const auto file = GENERATE(VfsFile::Journal, VfsFile::Database);
  vfs.inject({file, VfsCall::Write, VfsVerdict::NoSpace});
  CHECK(test.refused(test.directory.path(), settings).code == ErrorCode::DiskFull);
  vfs.heal();
  CHECK(test.open(test.directory.path(), settings).ok());
}

TEST_CASE("open: an unknown VFS") {
  OpenCase test;
  SqliteSettings settings;
  settings.vfs = "no-such-vfs";
  CHECK(test.refused(test.directory.path(), settings).code == ErrorCode::InvalidArgument);
}

TEST_CASE("format: schema, identity and rows of version 1 are frozen") {
  OpenCase test;
  {
    auto opened = test.open(test.directory.path(), fake::inline_settings());
    REQUIRE(opened.ok());
    (*opened)->update({1, 0x8000000000000001, "key"}, put("value"), Durability::Fsync,
                      [](Result<Updated>) {});
    (*opened)->update_hint({node_id(0xab), {1, 5, "key"}}, true, {1234}, put("hint"),
                           [](Result<Updated>) {});
    (*opened)->put_named("name", "named", [](Status) {});
    test.world.run_for(0ms);
  }
  CHECK(raw_sql(test.path, "PRAGMA application_id") == std::vector<std::string>{"1346458188"});
  CHECK(raw_sql(test.path, "PRAGMA user_version") == std::vector<std::string>{"1"});
  CHECK(raw_sql(test.path, "PRAGMA page_size") == std::vector<std::string>{"4096"});
  CHECK(raw_sql(test.path, "PRAGMA journal_mode") == std::vector<std::string>{"wal"});
  const char* quoted_record = "SELECT keyspace, token, hex(key), digest, hex(value) FROM records";
  CHECK(raw_sql(test.path, quoted_record) ==
        std::vector<std::string>{"1|1|6B6579|-5647567288328449650|76616C7565"});
  const char* quoted_hint =
      "SELECT hex(target), keyspace, token, hex(key), digest, created, sole, hex(value) FROM hints";
  CHECK(raw_sql(test.path, quoted_hint) ==
        std::vector<std::string>{"ABABABABABABABABABABABABABABABAB|1|-9223372036854775803|6B6579|-"
                                 "1329499749159434815|1234|1|68696E74"});
  CHECK(raw_sql(test.path, "SELECT hex(name), digest, hex(value) FROM named") ==
        std::vector<std::string>{"6E616D65|-684576687327113960|6E616D6564"});
  const std::vector<std::string> schema =
      raw_sql(test.path, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
  std::string text;
  for (const auto& line : schema) text += line + "\n";
  CHECK(text == R"sql(CREATE TABLE hints(
  target BLOB NOT NULL,
  keyspace INTEGER NOT NULL,
  token INTEGER NOT NULL,
  key BLOB NOT NULL,
  digest INTEGER NOT NULL,
  created INTEGER NOT NULL,
  sole INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(target, keyspace, token, key)
) STRICT, WITHOUT ROWID
CREATE INDEX hints_by_record ON hints(keyspace, token, key)
CREATE TABLE keyspaces(
  number INTEGER NOT NULL PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL
) STRICT
CREATE TABLE named(
  name BLOB NOT NULL PRIMARY KEY,
  digest INTEGER NOT NULL,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID
CREATE TABLE records(
  keyspace INTEGER NOT NULL,
  token INTEGER NOT NULL,
  key BLOB NOT NULL,
  digest INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(keyspace, token, key)
) STRICT, WITHOUT ROWID
)sql");
}
