// Small helpers over text that every folder needs: quoting names, near names, a hash that never changes.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runner {

/// `text` in double quotes, with control characters, quotes and backslashes escaped: one line, safe on a terminal. Of
/// more than a thousand bytes only the front, and an ellipsis behind the quotes.
std::string Quote(std::string_view text);

/// FNV-1a, 64 bits, then mixed: the same on every machine and in every version, for names and MAC addresses.
std::uint64_t StableHash(std::string_view text);

/// The candidate nearest to `name` by edit distance (transpositions count one), if it is near enough to be meant.
std::optional<std::string> NearName(std::string_view name, std::span<const std::string> candidates);

/// ` (did you mean "NAME"?)`, or nothing.
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates);
/// As DidYouMean; where none is near, all of them: `; there are: A, B`.
std::string DidYouMeanAmong(std::string_view name, std::span<const std::string> candidates);

std::optional<int> HexDigit(char c);

/// The whole of `text` as a number in decimal, or nothing.
std::optional<std::int64_t> ParseInteger(std::string_view text);

std::vector<std::string_view> Split(std::string_view text, char separator);
std::string Join(std::span<const std::string> parts, std::string_view separator);

/// Words as a POSIX shell splits a command (single and double quotes, backslash), without expansion; nothing when
/// a quote is not closed.
std::optional<std::vector<std::string>> ShellSplit(std::string_view text);
/// A word as a POSIX shell would read it back.
std::string ShellQuote(std::string_view word);

}  // namespace runner
