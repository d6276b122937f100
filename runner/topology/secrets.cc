#include "topology/secrets.h"

#include <algorithm>

#include "base/wireguard_key.h"

namespace runner {
namespace {

constexpr std::string_view kPrivate = "private_key";
constexpr std::string_view kPublic = "public_key";
constexpr std::size_t kKeyLength = 44;

/// Behind `"?:` and blanks; npos where no value follows on this line.
std::size_t ValueBehind(std::string_view line, std::size_t at) {
  at = line.find_first_not_of("\"' \t", at);
  if (at == std::string_view::npos || line[at] != ':') return std::string_view::npos;
  return line.find_first_not_of(" \t", at + 1);
}

std::size_t EndOfValue(std::string_view line, std::size_t start) {
  const char first = line[start];
  const std::size_t end =
      first == '"' || first == '\'' ? line.find(first, start + 1) : line.find_first_of(",}] \t", start);
  return std::min(end, line.size());
}

}  // namespace

std::string WithoutSecrets(std::string_view line) {
  std::string out(line);
  const auto star = [&out](std::size_t begin, std::size_t end) {
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(begin), out.begin() + static_cast<std::ptrdiff_t>(end), '*');
  };
  for (std::size_t at = line.find(kPrivate); at != std::string_view::npos; at = line.find(kPrivate, at + 1)) {
    const std::size_t value = ValueBehind(line, at + kPrivate.size());
    if (value != std::string_view::npos) star(value, EndOfValue(line, value));
  }
  for (std::size_t at = 0; at + kKeyLength <= line.size(); ++at) {
    if (!WireguardKey::Parse(line.substr(at, kKeyLength))) continue;
    const std::size_t named = line.rfind(kPublic, at);
    const std::size_t shown = named == std::string_view::npos ? named : ValueBehind(line, named + kPublic.size());
    const bool is_public = shown != std::string_view::npos && (shown == at || shown + 1 == at);
    if (!is_public) star(at, at + kKeyLength);
    at += kKeyLength - 1;
  }
  return out;
}

}  // namespace runner
