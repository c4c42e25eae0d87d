// Figures as `parley consistency` prints them, plain text within 80 columns.
#pragma once

#include <string>
#include <vector>

#include "base/units.h"
#include "tools/cli/output.h"

namespace parley::cli {

inline double millis(Duration span) { return to_seconds(span) * 1e3; }
Json millis_json(double ms);           // null for what never happens
std::string millis_text(double ms);    // "0.42 ms", "12.3 ms", "never"
std::string share_text(double share);  // "97.1 %"; never "100.0 %" for less than all
// Trials never prove that it is all: only what holds by design is.
std::string predicted_share_text(double share, bool by_design);
// A table of several columns more than 80 characters have room for is cut into several, each with
// its first `fixed` columns.
std::string folded_table_text(const std::vector<std::vector<std::string>>& rows, std::size_t fixed);
// "#####-----": of `width` characters.
std::string bar_text(double share, std::size_t width);
// Half the width of the interval that has the true share with 95 % (Wilson 1927).
double share_error(std::size_t hits, std::size_t of);

}  // namespace parley::cli
