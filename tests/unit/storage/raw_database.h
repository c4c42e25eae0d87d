// The file behind a closed store, as plain SQL: for tests that damage it or look at its bytes.
#pragma once

#include <sqlite3.h>

#include <string>
#include <vector>

#include "tests/catch.h"

namespace parley::storage_test {

// Rows of the statement's last query, columns joined by '|'.
inline std::vector<std::string> raw_sql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  std::vector<std::string> rows;
  char* text = nullptr;
  const int code = sqlite3_exec(
      db, sql.c_str(),
      [](void* out, int count, char** values, char**) {
        std::string row;
        for (int i = 0; i < count; ++i) {
          row += (i == 0 ? "" : "|") + std::string(values[i] == nullptr ? "NULL" : values[i]);
        }
        static_cast<std::vector<std::string>*>(out)->push_back(row);
        return 0;
      },
      &rows, &text);
  const std::string error = text == nullptr ? "" : text;
  sqlite3_free(text);
  sqlite3_close(db);
  INFO(error);
  REQUIRE(code == SQLITE_OK);
  return rows;
}

}  // namespace parley::storage_test
