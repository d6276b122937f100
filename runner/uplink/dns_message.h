// The part of a DNS message that the relay reads and writes: header and question of a query, answers with addresses.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip.h"

namespace runner {

struct DnsQuestion {
  static constexpr std::uint16_t kA = 1;
  static constexpr std::uint16_t kAaaa = 28;
  static constexpr std::uint16_t kInternet = 1;
  std::uint16_t id = 0;
  std::string name = {};  // lower case, without the last dot
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::size_t end = 0;  // offset behind the question
};

/// A standard query with one question; nothing for all else.
std::optional<DnsQuestion> ParseDnsQuery(std::span<const std::uint8_t> message);

enum class DnsCode : std::uint8_t { kNoError = 0, kFormatError = 1, kServerFailure = 2, kRefused = 5 };

/// An answer without records.
std::vector<std::uint8_t> DnsError(std::span<const std::uint8_t> query, const DnsQuestion& question, DnsCode code);
/// The addresses of the family that is asked for; the name exists, though it may have none.
std::vector<std::uint8_t> DnsAnswer(std::span<const std::uint8_t> query, const DnsQuestion& question,
                                    const std::vector<IpAddress>& addresses);
/// Whether `reply` answers the query that `question` was read from, sent with `id`.
bool IsReplyTo(std::span<const std::uint8_t> reply, std::uint16_t id, std::span<const std::uint8_t> query,
               const DnsQuestion& question);

/// The lab's names, as NODE and NODE.LAB, whatever the case.
class LabNames {
 public:
  LabNames() = default;
  LabNames(const std::string& lab, const std::map<std::string, std::vector<IpAddress>>& names);
  const std::vector<IpAddress>* Find(const std::string& lower_case) const;

 private:
  std::map<std::string, std::vector<IpAddress>> addresses_;
};

}  // namespace runner
