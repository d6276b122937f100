// Single values of the file: each is read by one function, which tells what it expected when it finds something else.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "topology/model.h"
#include "topology/yaml.h"

namespace runner {

/// Tells mistakes in one object of the file.
class Reporter {
 public:
  Reporter(Diagnostics& diagnostics, std::string where) : diagnostics_(&diagnostics), where_(std::move(where)) {}
  void Wrong(Position at, std::string why, std::vector<Note> notes = {}) const {
    diagnostics_->Wrong(at, where_, std::move(why), std::move(notes));
  }
  /// `"KEY" must be EXPECTED, not "TEXT"` (without a key: what `where` names must be so), with a hint where one is
  /// known. Silent for what is refused already.
  void WrongValue(const YamlNode& node, std::string_view key, std::string_view expected,
                  std::string_view hint = {}) const;
  const std::string& where() const { return where_; }
  Diagnostics& diagnostics() const { return *diagnostics_; }

 private:
  Diagnostics* diagnostics_;
  std::string where_;
};

/// What stands there, for a message: `"abc"`, `a list`, `a map`, `nothing`.
std::string Describe(const YamlNode& node);

std::optional<bool> ReadBool(const YamlNode& node, std::string_view key, const Reporter& reporter);
std::optional<std::int64_t> ReadInteger(const YamlNode& node, std::string_view key, std::int64_t min, std::int64_t max,
                                        const Reporter& reporter);
template <class T>
std::optional<T> ReadNumber(const YamlNode& node, std::string_view key, const Reporter& reporter, std::int64_t min = 0,
                            std::int64_t max = static_cast<std::int64_t>(std::numeric_limits<T>::max())) {
  const auto value = ReadInteger(node, key, min, max, reporter);
  if (!value) return std::nullopt;
  return static_cast<T>(*value);
}

/// Text, not empty: a number or a boolean without quotes is refused.
std::optional<std::string> ReadText(const YamlNode& node, std::string_view key, const Reporter& reporter);
/// Any scalar, as it is written.
std::optional<std::string> ReadScalar(const YamlNode& node, std::string_view key, const Reporter& reporter);
/// A name of something in the file: any scalar that is not empty.
std::optional<std::string> ReadName(const YamlNode& node, std::string_view key, const Reporter& reporter);
/// One of `words`; the position among them.
std::optional<std::size_t> ReadWord(const YamlNode& node, std::string_view key, const std::vector<std::string>& words,
                                    const Reporter& reporter);

std::optional<IpAddress> ReadAddress(const YamlNode& node, std::string_view key, const Reporter& reporter);
enum class HostBits { kAllowed, kRefused };
enum class BareAddress { kRefused, kAllowed };  // an address alone is a prefix of its whole length
std::optional<IpPrefix> ReadPrefix(const YamlNode& node, std::string_view key, const Reporter& reporter,
                                   HostBits host_bits, BareAddress bare = BareAddress::kRefused);
std::optional<MacAddress> ReadMac(const YamlNode& node, std::string_view key, const Reporter& reporter);

/// `20ms`, `1.5s`, `2m`: nanoseconds.
std::optional<std::int64_t> ReadDuration(const YamlNode& node, std::string_view key, const Reporter& reporter);
/// `1.5%`: percent.
std::optional<double> ReadPercent(const YamlNode& node, std::string_view key, const Reporter& reporter);
/// `10mbit`: bits a second.
std::optional<std::uint64_t> ReadRate(const YamlNode& node, std::string_view key, const Reporter& reporter);
/// `80` or `8000-8010`.
std::optional<PortRange> ReadPorts(const YamlNode& node, std::string_view key, const Reporter& reporter);
std::optional<PortRange> ParsePorts(std::string_view text);
/// A list of words, or a string that is split as a shell splits it; at least one word.
std::optional<Command> ReadCommand(const YamlNode& node, std::string_view key, const Reporter& reporter);
/// An absolute path.
std::optional<std::string> ReadPath(const YamlNode& node, std::string_view key, const Reporter& reporter);

/// Calls `item` for each item of a list. Anything else is a mistake; false then.
bool ReadList(const YamlNode& node, std::string_view key, const Reporter& reporter,
              const std::function<void(const YamlNode&)>& item);
/// A list of scalars of one kind; what is wrong is left out.
template <class T, class Read>
std::vector<T> ReadEach(const YamlNode& node, std::string_view key, const Reporter& reporter, Read read) {
  std::vector<T> out;
  ReadList(node, key, reporter, [&](const YamlNode& item) {
    if (auto value = read(item, key, reporter)) out.push_back(std::move(*value));
  });
  return out;
}

/// The key of a map entry as a device name of Linux: at most 15 bytes, no `/`, `:`, `%`, white space.
bool CheckInterfaceName(std::string_view name, Position at, const Reporter& reporter);

}  // namespace runner
