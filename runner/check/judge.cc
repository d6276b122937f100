#include "check/judge.h"

#include <regex.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/comparison.h"
#include "base/json.h"
#include "base/text.h"
#include "topology/measures.h"

namespace runner::check {
namespace {

/// What "reachable" means for each kind.
std::string_view Success(const Check& check) {
  if (check.kind == "tcp") return "a connection";
  if (check.kind == "http") return "an answer of 2xx or 3xx";
  if (check.kind == "dns") return "an answer";
  if (check.kind == "run") return "exit status 0";
  if (check.kind == "route") return "a route";
  if (check.kind == "path") return "a way";
  if (check.kind == "throughput") return "a stream";
  return "a reply";
}

std::string_view NoSuccess(const Check& check) {
  if (check.kind == "tcp") return "no connection";
  if (check.kind == "http") return "no answer of 2xx or 3xx";
  if (check.kind == "dns") return "no answer";
  if (check.kind == "run") return "another exit status than 0";
  if (check.kind == "route") return "no route";
  if (check.kind == "path") return "no way";
  if (check.kind == "throughput") return "no stream";
  return "no reply";
}

/// A long output shows its end, where the errors are.
std::string Shown(std::string_view text) {
  constexpr std::size_t kMost = 400;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.empty()) return "nothing";
  if (text.size() <= kMost) return Quote(text);
  return "…" + Quote(text.substr(text.size() - kMost));
}

std::string WithoutLastNewlines(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text);
}

std::optional<std::string> JudgeText(const std::string& name, const std::string& expected, const std::string& found) {
  const std::size_t dot = name.find('.');
  const std::string stream = name.substr(0, dot);
  const std::string how = dot == std::string::npos ? "equals" : name.substr(dot + 1);
  bool holds = false;
  if (how == "contains") {
    holds = found.find(expected) != std::string::npos;
  } else if (how == "matches") {
    holds = MatchesRegex(found, expected);
  } else if (how == "json") {
    const auto part = ParseJson(expected);
    const auto whole = ParseJson(found);
    if (!whole.ok()) return fmt::format("{} is no JSON: {}", stream, Shown(found));
    holds = part.ok() && IsJsonSubset(*part, *whole);
  } else {
    // What a command prints ends in a newline, which nobody writes in a file.
    holds = WithoutLastNewlines(found) == WithoutLastNewlines(expected);
  }
  if (holds) return std::nullopt;
  return fmt::format("{} is {}", stream, Shown(found));
}

std::optional<std::string> JudgeNames(const std::string& name, const std::string& expected,
                                      const std::vector<std::string>& found, const Check& check) {
  std::vector<std::string> wanted;
  for (const std::string_view word : Split(expected, ',')) wanted.emplace_back(word);
  if (expected.empty()) wanted.clear();
  const bool is_exact = check.kind == "path";
  const bool holds = is_exact ? wanted == found : std::ranges::all_of(wanted, [&found](const std::string& one) {
    return std::ranges::find(found, one) != found.end();
  });
  if (holds) return std::nullopt;
  return fmt::format("{} is {}", name, found.empty() ? "nothing" : Join(found, ", "));
}

std::optional<std::string> JudgeOne(const Check& check, const std::string& name, const std::string& expected,
                                    const Reading& reading) {
  const Measure* measure = FindMeasure(check.kind, name);
  const auto value = reading.values.find(name.substr(0, name.find('.')));
  if (measure == nullptr || value == reading.values.end()) return fmt::format("no {} was measured", name);
  if (const auto* text = std::get_if<std::string>(&value->second)) return JudgeText(name, expected, *text);
  if (const auto* names = std::get_if<std::vector<std::string>>(&value->second)) {
    return JudgeNames(name, expected, *names, check);
  }
  const Quantity quantity = measure->quantity.value_or(Quantity::kNumber);
  const auto comparison = Comparison::Parse(expected, quantity);
  const double found = std::get<double>(value->second);
  if (comparison && comparison->Holds(found)) return std::nullopt;
  return fmt::format("{} is {}", name, QuantityText(found, quantity));
}

/// What it means where a measure is asked for of somebody who cannot be reached: nothing but its own number would do.
bool IsMeasuredWithoutReach(const Check& check) {
  return check.kind == "run" || check.kind == "http" || check.kind == "ping";
}

}  // namespace

std::optional<std::string> FindMismatch(const Check& check, const Reading& reading) {
  switch (check.expect.kind) {
    case Expectation::Kind::kReachable:
      return reading.reached ? std::nullopt : std::optional(reading.seen);
    case Expectation::Kind::kUnreachable:
      return reading.reached ? std::optional(reading.seen) : std::nullopt;
    case Expectation::Kind::kMeasured:
      break;
  }
  if (!reading.reached && !IsMeasuredWithoutReach(check)) return reading.seen;
  std::vector<std::string> mismatches;
  for (const auto& [name, expected] : check.expect.measured) {
    if (auto mismatch = JudgeOne(check, name, expected, reading)) mismatches.push_back(std::move(*mismatch));
  }
  if (mismatches.empty()) return std::nullopt;
  return Join(mismatches, ", ") + (reading.reached ? "" : " (" + reading.seen + ")");
}

std::string Expected(const Check& check) {
  if (check.expect.kind == Expectation::Kind::kReachable) return std::string(Success(check));
  if (check.expect.kind == Expectation::Kind::kUnreachable) return std::string(NoSuccess(check));
  std::vector<std::string> parts;
  for (const auto& [name, expected] : check.expect.measured) {
    const std::size_t dot = name.find('.');
    const std::string how = dot == std::string::npos ? "" : name.substr(dot + 1);
    const bool is_text = name.starts_with("std");
    parts.push_back(fmt::format("{}{} {}", name.substr(0, dot),
                                how.empty() || how == "equals" ? ""
                                : how == "json"                ? " with"
                                                               : " that " + how,
                                is_text            ? Quote(expected)
                                : expected.empty() ? "nothing"
                                                   : expected));
  }
  return Join(parts, ", ");
}

bool IsJsonSubset(const Json& part, const Json& whole) {
  if (part.is_object()) {
    if (!whole.is_object()) return false;
    return std::ranges::all_of(part.items(), [&whole](const auto& member) {
      const auto found = whole.find(member.key());
      return found != whole.end() && IsJsonSubset(member.value(), *found);
    });
  }
  if (part.is_array()) {
    if (!whole.is_array()) return false;
    auto next = whole.begin();
    for (const Json& element : part) {
      next = std::find_if(next, whole.end(), [&element](const Json& other) { return IsJsonSubset(element, other); });
      if (next == whole.end()) return false;
      ++next;
    }
    return true;
  }
  return part == whole;
}

bool MatchesRegex(std::string_view text, const std::string& expression) {
  regex_t compiled;
  if (regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0) return false;
  const std::string whole(text);
  const bool matches = regexec(&compiled, whole.c_str(), 0, nullptr, 0) == 0;
  regfree(&compiled);
  return matches;
}

}  // namespace runner::check
