// What a process prints, kept in a file of bounded size: when it is full it becomes the older half, FILE.1, and a new
// one begins.
#pragma once
#include <regex.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace runner::process {

class OutputLog {
 public:
  static constexpr std::size_t kFull = std::size_t{1} << 20;

  explicit OutputLog(std::string path) : path_(std::move(path)) {}

  /// A file system that is full loses output; the process is not to stand still for it.
  void Append(std::string_view bytes);
  /// A line of our own: why it could not be started.
  void Note(const std::string& sentence);

  /// From now on, whether a line matches the extended regular expression.
  void LookFor(const std::string& expression);
  bool has_matched() const { return has_matched_; }

 private:
  struct FreeRegex {
    void operator()(regex_t* regex) const {
      regfree(regex);
      delete regex;
    }
  };
  void Match(std::string_view bytes);
  Status Open();

  std::string path_;
  Fd file_;
  std::size_t size_ = 0;
  std::string line_;  // the one that has not ended, as far as it can match
  std::unique_ptr<regex_t, FreeRegex> regex_;
  bool has_matched_ = false;
};

}  // namespace runner::process
