#include "main/divide_words.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace runner {
namespace {

/// Options that take the next word along.
constexpr std::array<std::string_view, 12> kWithValue = {"--state-dir", "--lock-timeout", "--set",     "--name",
                                                         "-e",          "--env",          "-w",        "--workdir",
                                                         "-u",          "--user",         "--timeout", "--write"};

/// Commands of ours that take another's words behind `--`.
constexpr std::array<std::string_view, 5> kWithCommand = {"exec", "capture", "check", "test", "complete-word"};

bool TakesNext(const std::string& word) { return std::ranges::find(kWithValue, word) != kWithValue.end(); }

bool IsName(const std::string& word) { return !word.starts_with("-") || word == "-"; }

/// `impair LAB NODE:IFNAME WORD…`: `up` and `down` are no commands there. Options may stand anywhere.
Divided DivideImpairment(const std::vector<std::string>& words) {
  Divided divided;
  constexpr std::size_t kNames = 3;
  std::size_t names = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_name = IsName(words[i]);
    if (words[i] == "--") continue;
    (is_name && names >= kNames ? divided.command : divided.words).push_back(words[i]);
    if (is_name) ++names;
    if (TakesNext(words[i]) && i + 1 < words.size()) divided.words.push_back(words[++i]);
  }
  return divided;
}

}  // namespace

Divided DivideWords(std::vector<std::string> words) {
  std::size_t names = 0;             // words that are no options: the command, LAB, …
  std::size_t most = SIZE_MAX;       // behind so many names the rest begins, without `--` too
  constexpr std::size_t kNames = 3;  // "exec", LAB, NODE
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool is_end = word == "--";
    const bool is_name = IsName(word);
    if (names == 0 && is_name) {
      if (word == "impair") return DivideImpairment(words);
      if (std::ranges::find(kWithCommand, word) == kWithCommand.end()) break;
      if (word == "exec") most = kNames;
    }
    if ((is_end && names > 0) || (is_name && names == most)) {
      Divided divided;
      divided.command.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + (is_end ? 1 : 0), words.end());
      words.resize(i);
      divided.words = std::move(words);
      return divided;
    }
    if (is_name) ++names;
    if (TakesNext(word)) ++i;
  }
  return {.words = std::move(words), .command = {}};
}

}  // namespace runner
