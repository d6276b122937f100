// Where the loader's mistakes are collected, and the one place that gives them file, source line and order.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace runner {

class Diagnostics {
 public:
  void Wrong(Position at, std::string where, std::string why, std::vector<Note> notes = {});
  void Warn(Position at, std::string where, std::string why, std::vector<Note> notes = {});
  void Take(Errors errors);

  bool has_errors() const { return error_count_ > 0; }
  /// Grows with every error: equal before and after a step means that the step found nothing.
  std::size_t error_count() const { return error_count_; }

  /// All findings, sorted by place; the same sentence at the same place once; with `file` and the lines of `text`.
  Errors Finish(std::string_view text, const std::string& file);

 private:
  Errors errors_;
  std::size_t error_count_ = 0;
};

}  // namespace runner
