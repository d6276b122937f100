// Block-style YAML 1.2 of a document. Whatever a reader of YAML 1.1 or 1.2 could take for something else than a
// string is quoted.
#include <algorithm>
#include <array>

#include "base/json.h"
#include "topology/load.h"
#include "topology/print.h"

namespace runner {
namespace {

constexpr std::size_t kLongestLine = 110;

bool IsWord(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !letter(text.front())) return false;
  if (!std::ranges::all_of(text, [&](char c) { return letter(c) || digit(c) || c == '.' || c == '-'; })) return false;
  std::string lower;
  for (const char c : text) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  constexpr std::array<std::string_view, 9> kOther = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  return std::ranges::find(kOther, lower) == kOther.end();
}

/// Dotted quads and IPv4 prefixes: three dots are no number.
bool IsDotted(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const auto fits = [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == '/'; };
  return std::ranges::all_of(text, fits) && std::ranges::count(text, '.') == 3;
}

std::string Quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);  // JSON's escapes are YAML's too.
}

std::string ScalarText(const Json& value) {
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  return IsWord(text) || IsDotted(text) ? text : Quoted(text);
}

/// A literal block keeps the text as it is: only for lines without surprises.
bool FitsLiteral(const std::string& text) {
  if (text.size() < 2 || text.back() != '\n' || text[text.size() - 2] == '\n') return false;
  if (text.front() == ' ' || text.front() == '\n') return false;
  if (std::ranges::any_of(text, [](char c) { return c != '\n' && (c < ' ' || c == '\x7f'); })) return false;
  return text.find(" \n") == std::string::npos;
}

bool IsLeaf(const Json& value) { return !value.is_structured() || value.empty(); }

/// How many levels of maps and lists `value` has, as far as `most`; text of several lines counts as too many.
int Depth(const Json& value, int most) {
  if (value.is_string()) return FitsLiteral(value.get_ref<const std::string&>()) ? most : 0;
  if (IsLeaf(value)) return 0;
  int deepest = 0;
  for (const Json& item : value) {
    if (most > 1) deepest = std::max(deepest, Depth(item, most - 1));
  }
  return deepest + 1;
}

std::string Flow(const Json& value) {
  if (!value.is_structured()) return ScalarText(value);
  std::string out;
  for (const auto& [key, item] : value.items()) {
    if (!out.empty()) out += ", ";
    if (value.is_object()) out += ScalarText(key) + ": ";
    out += Flow(item);
  }
  return value.is_array() ? "[" + out + "]" : "{" + out + "}";
}

class Writer {
 public:
  void Write(const Json& value, int indent) {
    for (const auto& [key, item] : value.items()) {
      Pad(indent);
      out_ += value.is_array() ? "-" : ScalarText(key) + ":";
      WriteItem(item, indent, value.is_array());
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  void Pad(int indent) { out_.append(static_cast<std::size_t>(indent), ' '); }

  void WriteItem(const Json& item, int indent, bool in_list) {
    constexpr int kDeepestFlow = 2;
    if (item.is_string() && FitsLiteral(item.get_ref<const std::string&>())) {
      WriteLiteral(item.get_ref<const std::string&>(), indent + 2);
      return;
    }
    if (Depth(item, kDeepestFlow + 1) <= kDeepestFlow) {
      const std::string flow = Flow(item);
      if (IsLeaf(item) || (indent > 0 && flow.size() + static_cast<std::size_t>(indent) < kLongestLine)) {
        out_ += " " + flow + "\n";
        return;
      }
    }
    out_ += in_list ? " " : "\n";
    const std::size_t begin = out_.size();
    Write(item, indent + 2);
    // A list's item begins on the line of its dash.
    if (in_list) out_.erase(begin, static_cast<std::size_t>(indent) + 2);
  }

  void WriteLiteral(const std::string& text, int indent) {
    out_ += " |\n";
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      if (end > begin) Pad(indent);
      out_.append(text, begin, end - begin + 1);
      begin = end + 1;
    }
  }

  std::string out_;
};

}  // namespace

std::string PrintYaml(const Topology& topology) {
  Writer writer;
  writer.Write(print::Document(topology), 0);
  return writer.Take();
}

std::string PrintJson(const Topology& topology) { return JsonPretty(print::Document(topology)); }

}  // namespace runner
