#include "tests/sim/sim_rot.h"

#include <sqlite3.h>

#include <memory>

#include "tests/sim/sim_vfs.h"

namespace parley::sim {
namespace {

struct Close {
  void operator()(sqlite3* connection) const { sqlite3_close(connection); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Connection = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

Statement prepare(const Connection& connection, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(connection.get(), sql, -1, &statement, nullptr);
  return Statement(statement);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Not in the number of a write's name, nor into one: the value of another write would be there.
bool flip_a_bit(Bytes& value, Random& random) {
  char& hit = value[random.below(value.size())];
  const char flipped = static_cast<char>(hit ^ (1 << random.below(8)));
  if (is_digit(hit) || is_digit(flipped)) return false;
  hit = flipped;
  return true;
}

}  // namespace

bool rot_record(const std::string& directory, Random& random) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2((directory + "/parley.db").c_str(), &opened,
                                   SQLITE_OPEN_READWRITE, SimVfs::kName);
  const Connection connection(opened);
  if (code != SQLITE_OK) return false;
  // Checkpoints are the store's.
  sqlite3_wal_autocheckpoint(opened, 0);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const Statement find =
      prepare(connection,
              "SELECT token, key, value FROM records WHERE digest<>0 ORDER BY token, key "
              "LIMIT 1 OFFSET ?1 % (SELECT max(1, count(*)) FROM records WHERE digest<>0)");
  if (!find) return false;
  sqlite3_bind_int64(find.get(), 1, static_cast<sqlite3_int64>(random.below(1024)));
  if (sqlite3_step(find.get()) != SQLITE_ROW) return false;
  const sqlite3_int64 token = sqlite3_column_int64(find.get(), 0);
  const auto blob = [&find](int column) {
    return Bytes(static_cast<const char*>(sqlite3_column_blob(find.get(), column)),
                 static_cast<std::size_t>(sqlite3_column_bytes(find.get(), column)));
  };
  const Bytes key = blob(1);
  Bytes value = blob(2);
  sqlite3_reset(find.get());
  if (value.empty()) return false;
  if (!flip_a_bit(value, random)) return false;
  const Statement put =
      prepare(connection, "UPDATE records SET value=?3 WHERE token=?1 AND key=?2");
  if (!put) return false;
  sqlite3_bind_int64(put.get(), 1, token);
  sqlite3_bind_blob(put.get(), 2, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
  sqlite3_bind_blob(put.get(), 3, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  return sqlite3_step(put.get()) == SQLITE_DONE;
}

}  // namespace parley::sim
