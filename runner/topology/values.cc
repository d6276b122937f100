#include "topology/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace runner {
namespace {

constexpr std::size_t kLongestQuoted = 60;

/// A number with a unit: `1.5` and `ms` of `1.5ms`.
struct Quantity {
  double number = 0;
  std::string_view unit;
};

std::optional<Quantity> ParseQuantity(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  Quantity quantity{.unit = text.substr(end)};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + end, quantity.number, std::chars_format::fixed);
  if (end == 0 || error != std::errc() || stop != text.data() + end) return std::nullopt;
  return quantity;
}

struct Unit {
  std::string_view name;
  double factor;
};

template <std::size_t kSize>
std::optional<double> InUnits(std::string_view text, const std::array<Unit, kSize>& units) {
  const auto quantity = ParseQuantity(text);
  if (!quantity) return std::nullopt;
  for (const Unit& unit : units) {
    if (unit.name == quantity->unit) return quantity->number * unit.factor;
  }
  return std::nullopt;
}

constexpr std::array<Unit, 6> kTimes = {{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
// tc(8): bit and its multiples of 1000, bps is bytes.
constexpr std::array<Unit, 9> kRates = {{{"bit", 1},
                                         {"kbit", 1e3},
                                         {"mbit", 1e6},
                                         {"gbit", 1e9},
                                         {"tbit", 1e12},
                                         {"bps", 8},
                                         {"kbps", 8e3},
                                         {"mbps", 8e6},
                                         {"gbps", 8e9}}};

std::string Bounded(std::string_view text) {
  if (text.size() <= kLongestQuoted) return Quote(text);
  std::size_t end = kLongestQuoted;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return Quote(std::string(text.substr(0, end)) + "…");
}

/// What one most often forgot to put in quotes, when a map stands where a word was expected.
std::string QuoteHint(const YamlNode& node) {
  if (!node.is_map() || node.entries.size() != 1) return {};
  const YamlEntry& entry = node.entries.front();
  if (node.single_pair && (entry.value->is_scalar() || entry.value->is_null())) {
    return "; put " + Bounded(entry.key->text + ":" + entry.value->text) +
           " in quotes: YAML reads a colon there as a map";
  }
  if (entry.value->is_null() && entry.value->text.empty()) {
    return "; put \"{" + entry.key->text + "}\" in quotes: YAML reads braces as a map";
  }
  return {};
}

std::optional<std::int64_t> ParseYamlInteger(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (base != 10) text.remove_prefix(2);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  return Bounded(node.text);
}

void Reporter::WrongValue(const YamlNode& node, std::string_view key, std::string_view expected,
                          std::string_view hint) const {
  if (node.refused) return;
  std::string why = fmt::format("{}must be {}, not {}", key.empty() ? "" : Quote(key) + " ", expected, Describe(node));
  if (!hint.empty()) why += fmt::format("; {}", hint);
  Wrong(node.at, why + QuoteHint(node));
}

std::optional<bool> ReadBool(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && TypeOf(node) == ScalarType::kBool) return node.text[0] == 't' || node.text[0] == 'T';
  std::string_view hint;
  for (const std::string_view word : {"yes", "no", "on", "off", "true", "false"}) {
    if (!node.is_scalar() || node.text != word) continue;
    hint = node.style == YamlNode::Style::kQuoted ? "in quotes it is a string" : "YAML 1.2 has true and false only";
  }
  reporter.WrongValue(node, key, "true or false", hint);
  return std::nullopt;
}

std::optional<std::int64_t> ReadInteger(const YamlNode& node, std::string_view key, std::int64_t min, std::int64_t max,
                                        const Reporter& reporter) {
  const bool integer = node.is_scalar() && TypeOf(node) == ScalarType::kInteger;
  const auto value = integer ? ParseYamlInteger(node.text) : std::nullopt;
  if (value && *value >= min && *value <= max) return value;
  std::string_view hint;
  if (node.is_scalar() && node.style == YamlNode::Style::kQuoted && ParseInteger(node.text)) {
    hint = "in quotes it is a string";
  }
  reporter.WrongValue(node, key, fmt::format("a whole number from {} to {}", min, max), hint);
  return std::nullopt;
}

std::optional<std::string> ReadText(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused) {
    const bool is_text = TypeOf(node) == ScalarType::kString || node.style == YamlNode::Style::kSubstituted;
    if (is_text && !node.text.empty()) return node.text;
    if (!is_text) {
      reporter.WrongValue(node, key, "text", "put it in quotes");
      return std::nullopt;
    }
  }
  reporter.WrongValue(node, key, "text");
  return std::nullopt;
}

std::optional<std::string> ReadScalar(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused) return node.text;
  reporter.WrongValue(node, key, "a single value");
  return std::nullopt;
}

std::optional<std::string> ReadName(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused && !node.text.empty()) return node.text;
  reporter.WrongValue(node, key, "a name");
  return std::nullopt;
}

std::optional<std::size_t> ReadWord(const YamlNode& node, std::string_view key, const std::vector<std::string>& words,
                                    const Reporter& reporter) {
  if (node.refused) return std::nullopt;
  if (node.is_scalar()) {
    const auto found = std::ranges::find(words, node.text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  }
  std::string expected = "one of " + Join(words, ", ");
  if (words.size() == 1) expected = Quote(words[0]);
  if (words.size() == 2) expected = words[0] + " or " + words[1];
  const auto near = node.is_scalar() ? NearName(node.text, words) : std::nullopt;
  reporter.Wrong(node.at, fmt::format("{} must be {}, not {}{}{}", Quote(key), expected, Describe(node),
                                      QuoteHint(node), near ? " (did you mean " + Quote(*near) + "?)" : ""));
  return std::nullopt;
}

std::optional<IpAddress> ReadAddress(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused) {
    if (const auto address = IpAddress::Parse(node.text)) return address;
  }
  reporter.WrongValue(node, key, "an address");
  return std::nullopt;
}

std::optional<IpPrefix> ReadPrefix(const YamlNode& node, std::string_view key, const Reporter& reporter,
                                   HostBits host_bits, BareAddress bare) {
  std::optional<IpPrefix> prefix;
  std::string hint;
  if (node.is_scalar() && !node.refused) {
    prefix = IpPrefix::Parse(node.text);
    if (const auto address = IpAddress::Parse(node.text)) {
      if (bare == BareAddress::kAllowed) return IpPrefix(*address, address->bits());
      hint = fmt::format("its length is missing, as in {}/{}", address->text(), address->is_ipv6() ? 64 : 24);
    }
  }
  if (!prefix) {
    reporter.WrongValue(
        node, key, host_bits == HostBits::kAllowed ? "an address with its length (ADDR/LEN)" : "a prefix (ADDR/LEN)",
        hint);
    return std::nullopt;
  }
  if (host_bits == HostBits::kRefused && prefix->has_host_bits()) {
    reporter.Wrong(node.at, fmt::format("{}: {} has host bits set; the prefix is {}", Quote(key), Quote(node.text),
                                        prefix->Masked().text()));
    return std::nullopt;
  }
  return prefix;
}

std::optional<MacAddress> ReadMac(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  const auto mac = node.is_scalar() && !node.refused ? MacAddress::Parse(node.text) : std::nullopt;
  if (!mac) {
    reporter.WrongValue(node, key, "a MAC address (02:00:00:00:00:01)");
  } else if (mac->is_multicast() || mac->is_zero()) {
    reporter.Wrong(node.at, fmt::format("{}: {} is {}, which no interface may have", Quote(key), Quote(node.text),
                                        mac->is_zero() ? "zero" : "a group address"));
    return std::nullopt;
  }
  return mac;
}

std::optional<std::int64_t> ReadDuration(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  const auto nanoseconds = node.is_scalar() && !node.refused ? InUnits(node.text, kTimes) : std::nullopt;
  constexpr double kLongest = 9e18;
  if (nanoseconds && *nanoseconds <= kLongest) return static_cast<std::int64_t>(std::llround(*nanoseconds));
  reporter.WrongValue(node, key, "a time with its unit (20ms, 1.5s, 2m)");
  return std::nullopt;
}

std::optional<double> ReadPercent(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused) {
    const auto quantity = ParseQuantity(node.text);
    if (quantity && quantity->unit == "%" && quantity->number <= 100) return quantity->number;
  }
  reporter.WrongValue(node, key, "a share from 0% to 100%, with its unit (1.5%)");
  return std::nullopt;
}

std::optional<std::uint64_t> ReadRate(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  const auto bits = node.is_scalar() && !node.refused ? InUnits(node.text, kRates) : std::nullopt;
  constexpr double kHighest = 1e18;
  if (bits && *bits >= 1 && *bits <= kHighest) return static_cast<std::uint64_t>(std::llround(*bits));
  reporter.WrongValue(node, key, "a rate with its unit (10mbit, 1gbit)");
  return std::nullopt;
}

std::optional<PortRange> ParsePorts(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = ParseInteger(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : ParseInteger(text.substr(dash + 1));
  if (!first || !last || *first < 1 || *last > 65535 || *last < *first) return std::nullopt;
  return PortRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

std::optional<PortRange> ReadPorts(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  const auto ports = node.is_scalar() && !node.refused ? ParsePorts(node.text) : std::nullopt;
  if (!ports) reporter.WrongValue(node, key, "a port from 1 to 65535 or a range (8000-8010)");
  return ports;
}

std::optional<Command> ReadCommand(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused) {
    auto words = ShellSplit(node.text);
    if (words && !words->empty()) return words;
    if (!words) {
      reporter.Wrong(node.at, fmt::format("{}: a quote is not closed in {}", Quote(key), Bounded(node.text)));
      return std::nullopt;
    }
  }
  if (node.is_sequence() && !node.items.empty()) {
    Command words;
    for (const YamlNode* item : node.items) {
      auto word = ReadScalar(*item, key, reporter);
      if (!word) return std::nullopt;
      words.push_back(std::move(*word));
    }
    return words;
  }
  reporter.WrongValue(node, key, "a command: a list of words or a string");
  return std::nullopt;
}

std::optional<std::string> ReadPath(const YamlNode& node, std::string_view key, const Reporter& reporter) {
  if (node.is_scalar() && !node.refused && node.text.starts_with('/')) return node.text;
  reporter.WrongValue(node, key, "an absolute path");
  return std::nullopt;
}

bool ReadList(const YamlNode& node, std::string_view key, const Reporter& reporter,
              const std::function<void(const YamlNode&)>& item) {
  if (!node.is_sequence()) {
    reporter.WrongValue(node, key, "a list");
    return false;
  }
  for (const YamlNode* one : node.items) item(*one);
  return true;
}

bool CheckInterfaceName(std::string_view name, Position at, const Reporter& reporter) {
  constexpr std::size_t kMaxBytes = 15;
  const std::string what = "interface name " + Bounded(name);
  if (name.empty()) {
    reporter.Wrong(at, "an interface has no name");
  } else if (name.size() > kMaxBytes) {
    reporter.Wrong(at, fmt::format("{} has {} bytes, the kernel takes at most 15", what, name.size()));
  } else if (name.find_first_of("/:% \t\n\r\v\f") != std::string_view::npos) {
    reporter.Wrong(at, what + " holds a blank, `/`, `:` or `%`");
  } else if (name == "all" || name == "default" || name == "." || name == "..") {
    reporter.Wrong(at, what + " means something else to the kernel");
  } else {
    return true;
  }
  return false;
}

}  // namespace runner
