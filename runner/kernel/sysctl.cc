#include "kernel/sysctl.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/fd.h"
#include "base/text.h"

namespace runner {
namespace {

// As the kernel reads numbers: 0x and 0 begin hex and octal ones.
std::optional<long long> Number(std::string_view word) {
  const std::string text(word);
  char* end = nullptr;
  errno = 0;
  const long long number = std::strtoll(text.c_str(), &end, 0);
  if (text.empty() || *end != '\0' || errno != 0) return {};
  return number;
}

}  // namespace

Result<std::string> SysctlPath(std::string_view key) {
  const auto bad = [&](const std::string& why) { return Fail("sysctl " + Quote(key), why); };
  std::string path(key);
  const std::size_t first = path.find_first_of("./");
  if (first != std::string::npos && path[first] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  const auto parts = Split(path, '/');
  if (parts.size() < 2 || parts[0] != "net") return bad("a key begins with \"net.\"");
  for (const std::string_view part : parts) {
    if (part.empty() || part == "." || part == "..") return bad("a part of the key is empty or leads elsewhere");
  }
  // Not below the first process' network: /proc/sys/net follows the calling thread.
  return "/proc/sys/" + path;
}

std::string NormaliseSysctl(std::string_view value) {
  std::string text;
  bool gap = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\0') {
      gap = !text.empty();
      continue;
    }
    if (gap) text += ' ';
    gap = false;
    text += c;
  }
  return text;
}

bool SameSysctl(std::string_view a, std::string_view b) {
  const std::string left = NormaliseSysctl(a);
  const std::string right = NormaliseSysctl(b);
  const auto left_words = Split(left, ' ');
  const auto right_words = Split(right, ' ');
  return std::ranges::equal(left_words, right_words, [](std::string_view x, std::string_view y) {
    const auto number = Number(x);
    return x == y || (number && number == Number(y));
  });
}

Result<std::string> ReadSysctl(std::string_view key) {
  const std::string path = TRY(SysctlPath(key));
  const std::string value = TRY(ReadFile(path).Wrap("sysctl " + Quote(key)));
  return NormaliseSysctl(value);
}

Status WriteSysctl(std::string_view key, std::string_view value) {
  const std::string path = TRY(SysctlPath(key));
  TRY(WriteExisting(path, value).Wrap("sysctl " + Quote(key)));
  const std::string now = TRY(ReadSysctl(key));
  if (SameSysctl(now, value)) return {};
  return Fail("sysctl " + Quote(key),
              "the kernel took " + Quote(value) + " without an error, but the value is now " + Quote(now));
}

}  // namespace runner
