// Columns for people: each as wide as its widest cell.
#pragma once
#include <string>
#include <vector>

namespace runner {

/// One line a row, the first row is the heading; two blanks between columns, none at a line's end.
std::string Table(const std::vector<std::vector<std::string>>& rows);

}  // namespace runner
