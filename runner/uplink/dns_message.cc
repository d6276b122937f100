#include "uplink/dns_message.h"

#include <algorithm>

#include "uplink/packet.h"

namespace runner {
namespace {

constexpr std::size_t kHeader = 12;
constexpr std::uint8_t kResponse = 0x80;
constexpr std::uint8_t kOpcodeMask = 0x78;
constexpr std::uint8_t kAuthoritative = 0x04;
constexpr std::uint8_t kRecursionDesired = 0x01;
constexpr std::uint8_t kRecursionAvailable = 0x80;
constexpr std::size_t kLongestLabel = 63;
constexpr std::size_t kLongestName = 255;
// Addresses of a lab change with its file.
constexpr std::uint32_t kTimeToLive = 5;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), Lower);
  return text;
}

void Append16(std::vector<std::uint8_t>& to, std::size_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}

std::vector<std::uint8_t> BeginAnswer(std::span<const std::uint8_t> query, const DnsQuestion& question, DnsCode code,
                                      std::size_t answers) {
  std::vector<std::uint8_t> answer(query.begin(), query.begin() + static_cast<std::ptrdiff_t>(question.end));
  answer[2] = static_cast<std::uint8_t>(kResponse | kAuthoritative | (query[2] & kRecursionDesired));
  answer[3] = static_cast<std::uint8_t>(kRecursionAvailable | static_cast<std::uint8_t>(code));
  Put16(&answer[4], 1);
  Put16(&answer[6], answers);
  Put16(&answer[8], 0);
  Put16(&answer[10], 0);
  return answer;
}

}  // namespace

std::optional<DnsQuestion> ParseDnsQuery(std::span<const std::uint8_t> message) {
  if (message.size() < kHeader || (message[2] & (kResponse | kOpcodeMask)) != 0 || Get16(&message[4]) != 1) {
    return std::nullopt;
  }
  DnsQuestion question{.id = Get16(message.data())};
  std::size_t at = kHeader;
  while (true) {
    if (at >= message.size()) return std::nullopt;
    const std::size_t length = message[at++];
    if (length == 0) break;
    // A question has nothing before it that a compressed name could point to.
    if (length > kLongestLabel || at + length > message.size()) return std::nullopt;
    if (!question.name.empty()) question.name += '.';
    for (std::size_t i = 0; i < length; ++i) question.name += Lower(static_cast<char>(message[at + i]));
    at += length;
    if (question.name.size() > kLongestName) return std::nullopt;
  }
  if (at + 4 > message.size()) return std::nullopt;
  question.type = Get16(&message[at]);
  question.klass = Get16(&message[at + 2]);
  question.end = at + 4;
  return question;
}

std::vector<std::uint8_t> DnsError(std::span<const std::uint8_t> query, const DnsQuestion& question, DnsCode code) {
  return BeginAnswer(query, question, code, 0);
}

std::vector<std::uint8_t> DnsAnswer(std::span<const std::uint8_t> query, const DnsQuestion& question,
                                    const std::vector<IpAddress>& addresses) {
  std::vector<const IpAddress*> asked;
  for (const IpAddress& address : addresses) {
    const std::uint16_t type = address.is_ipv6() ? DnsQuestion::kAaaa : DnsQuestion::kA;
    if (question.klass == DnsQuestion::kInternet && question.type == type) asked.push_back(&address);
  }
  // Without EDNS an answer is at most 512 bytes; a node with more addresses is reached by the first of them.
  constexpr std::size_t kMostRecords = 8;
  if (asked.size() > kMostRecords) asked.resize(kMostRecords);
  auto answer = BeginAnswer(query, question, DnsCode::kNoError, asked.size());
  for (const IpAddress* address : asked) {
    Append16(answer, 0xc000 | kHeader);  // the question's name
    Append16(answer, question.type);
    Append16(answer, DnsQuestion::kInternet);
    Append16(answer, kTimeToLive >> 16);
    Append16(answer, kTimeToLive & 0xffff);
    Append16(answer, address->size());
    answer.insert(answer.end(), address->bytes(), address->bytes() + address->size());
  }
  return answer;
}

bool IsReplyTo(std::span<const std::uint8_t> reply, std::uint16_t id, std::span<const std::uint8_t> query,
               const DnsQuestion& question) {
  if (reply.size() < kHeader || Get16(reply.data()) != id || (reply[2] & kResponse) == 0) return false;
  if (Get16(&reply[4]) == 0) return true;  // An error may come without the question.
  if (reply.size() < question.end) return false;
  return std::equal(
      reply.begin() + kHeader, reply.begin() + static_cast<std::ptrdiff_t>(question.end), query.begin() + kHeader,
      [](std::uint8_t a, std::uint8_t b) { return Lower(static_cast<char>(a)) == Lower(static_cast<char>(b)); });
}

LabNames::LabNames(const std::string& lab, const std::map<std::string, std::vector<IpAddress>>& names) {
  for (const auto& [name, addresses] : names) {
    addresses_[LowerCase(name)] = addresses;
    if (!lab.empty()) addresses_[LowerCase(name + "." + lab)] = addresses;
  }
}

const std::vector<IpAddress>* LabNames::Find(const std::string& lower_case) const {
  const auto found = addresses_.find(lower_case);
  return found == addresses_.end() ? nullptr : &found->second;
}

}  // namespace runner
