// Rot: what a medium does to a record behind the store's back. Bytes of a file hit mostly pages
// that the log has newer, so it goes through SQLite, to a row that is read.
#pragma once

#include <string>

#include "base/random.h"

namespace parley::sim {

// One bit of one record's value, its digest stays. False: there was none, or the disk refused.
bool rot_record(const std::string& directory, Random& random);

}  // namespace parley::sim
