#include "topology/diagnostics.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "topology/secrets.h"

namespace runner {
namespace {

// A line of more characters than this is shown in part, around the mistake.
constexpr int kLongestExcerpt = 160;
constexpr int kShownBefore = 60;

/// The lines of a text, found once.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {
    std::size_t start = 0;
    while (true) {
      starts_.push_back(start);
      const std::size_t end = text.find('\n', start);
      if (end == std::string_view::npos) break;
      start = end + 1;
    }
  }

  std::string_view Line(int number) const {
    const auto index = static_cast<std::size_t>(number - 1);
    if (number < 1 || index >= starts_.size()) return {};
    const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] - 1 : text_.size();
    std::string_view line = text_.substr(starts_[index], end - starts_[index]);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

/// Drops or keeps the first `count` characters (not bytes).
std::size_t BytesOf(std::string_view text, int count) {
  std::size_t i = 0;
  for (; i < text.size() && count > 0; --count) {
    ++i;
    while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) ++i;
  }
  return i;
}

template <class T>
void FillExcerpt(T& told, const Lines& lines) {
  if (!told.at.known()) return;
  const std::string shown = WithoutSecrets(lines.Line(told.at.line));
  std::string_view line = shown;
  told.excerpt_column = 1;
  if (line.size() > kLongestExcerpt && told.at.column > kLongestExcerpt / 2) {
    const int skipped = told.at.column - 1 - kShownBefore;
    line.remove_prefix(BytesOf(line, skipped));
    told.excerpt_column = 1 + skipped;
  }
  told.excerpt = std::string(line.substr(0, BytesOf(line, kLongestExcerpt)));
}

}  // namespace

void Diagnostics::Wrong(Position at, std::string where, std::string why, std::vector<Note> notes) {
  ++error_count_;
  errors_.push_back({.where = std::move(where),
                     .tried = {},
                     .why = std::move(why),
                     .failure = Failure::kTopology,
                     .at = at,
                     .notes = std::move(notes)});
}

void Diagnostics::Warn(Position at, std::string where, std::string why, std::vector<Note> notes) {
  Wrong(at, std::move(where), std::move(why), std::move(notes));
  --error_count_;
  errors_.back().severity = Severity::kWarning;
}

void Diagnostics::Take(Errors errors) {
  for (Error& error : errors) {
    if (error.severity == Severity::kError) ++error_count_;
    errors_.push_back(std::move(error));
  }
}

Errors Diagnostics::Finish(std::string_view text, const std::string& file) {
  std::ranges::stable_sort(errors_, [](const Error& a, const Error& b) {
    return std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column);
  });
  const Lines lines(text);
  Errors out;
  std::set<std::tuple<int, int, std::string>> told;
  for (Error& error : errors_) {
    // Without `where`: one entry of the file may stand for many nodes, each of which would tell the same.
    if (error.at.known() && !told.emplace(error.at.line, error.at.column, error.tried + error.why).second) continue;
    error.failure = Failure::kTopology;
    error.file = file;
    FillExcerpt(error, lines);
    for (Note& note : error.notes) FillExcerpt(note, lines);
    out.push_back(std::move(error));
  }
  errors_.clear();
  return out;
}

}  // namespace runner
