#include "process/output_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace runner::process {
namespace {

constexpr std::size_t kLongestLine = 4096;  // of what a regular expression is held against

}  // namespace

Status OutputLog::Open() {
  file_ = TRY(OpenFile(path_, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600));
  struct stat info {};
  size_ = fstat(file_.get(), &info) == 0 ? static_cast<std::size_t>(info.st_size) : 0;
  return {};
}

void OutputLog::Append(std::string_view bytes) {
  Match(bytes);
  while (!bytes.empty()) {
    if (size_ >= kFull) {
      file_.Reset();
      // Where it cannot be renamed it goes on growing from nothing all the same.
      if (rename(path_.c_str(), (path_ + ".1").c_str()) != 0) unlink(path_.c_str());
    }
    if (!file_.is_open() && !Open().ok()) return;
    const ssize_t written = write(file_.get(), bytes.data(), std::min(bytes.size(), kFull));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    size_ += static_cast<std::size_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void OutputLog::Note(const std::string& sentence) { Append("toporun: " + sentence + "\n"); }

void OutputLog::LookFor(const std::string& expression) {
  has_matched_ = false;
  line_.clear();
  regex_.reset();
  auto compiled = std::make_unique<regex_t>();
  // The loader has refused what does not compile.
  if (regcomp(compiled.get(), expression.c_str(), REG_EXTENDED | REG_NOSUB) == 0) regex_.reset(compiled.release());
}

void OutputLog::Match(std::string_view bytes) {
  if (regex_ == nullptr || has_matched_) return;
  const auto try_line = [this] {
    has_matched_ = has_matched_ || regexec(regex_.get(), line_.c_str(), 0, nullptr, 0) == 0;
  };
  for (const char c : bytes) {
    if (c == '\n') {
      try_line();
      line_.clear();
    } else if (line_.size() < kLongestLine) {
      line_ += c;
    }
  }
  // A prompt ends in no newline.
  if (!line_.empty()) try_line();
  if (has_matched_) regex_.reset();
}

}  // namespace runner::process
