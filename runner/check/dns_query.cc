#include "check/dns_query.h"

#include "base/text.h"

namespace runner::check {
namespace {

constexpr std::size_t kHeader = 12;
constexpr std::uint16_t kAddress4 = 1;
constexpr std::uint16_t kAddress6 = 28;
constexpr std::uint16_t kInternet = 1;

void Put16(std::string& out, std::uint16_t number) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xff);
}

/// Reads from the front; what lies behind the end is nothing.
class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}
  bool is_sound() const { return sound_; }

  std::uint16_t U16() {
    const std::string_view bytes = Take(2);
    if (bytes.size() < 2) return 0;
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[0]) << 8 | static_cast<std::uint8_t>(bytes[1]));
  }
  std::string_view Take(std::size_t count) {
    if (message_.size() - at_ < count) {
      sound_ = false;
      return {};
    }
    at_ += count;
    return message_.substr(at_ - count, count);
  }
  /// A pointer ends a name where it stands.
  void SkipName() {
    while (sound_) {
      const std::string_view length = Take(1);
      if (length.empty()) return;
      const auto size = static_cast<std::uint8_t>(length[0]);
      if (size == 0) return;
      if ((size & 0xc0) == 0xc0) {
        Take(1);
        return;
      }
      Take(size);
    }
  }

 private:
  std::string_view message_;
  std::size_t at_ = 0;
  bool sound_ = true;
};

}  // namespace

std::optional<std::string> DnsQuery(std::uint16_t id, std::string_view name, Family family) {
  constexpr std::size_t kLongestLabel = 63;
  constexpr std::size_t kLongestName = 253;
  constexpr std::uint16_t kRecursionDesired = 0x0100;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kLongestName) return std::nullopt;
  std::string out;
  Put16(out, id);
  Put16(out, kRecursionDesired);
  Put16(out, 1);                              // question
  for (int i = 0; i < 3; ++i) Put16(out, 0);  // answers, authorities, more
  for (const std::string_view label : Split(name, '.')) {
    if (label.empty() || label.size() > kLongestLabel) return std::nullopt;
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
  Put16(out, family == Family::kIpv6 ? kAddress6 : kAddress4);
  Put16(out, kInternet);
  return out;
}

std::optional<DnsReply> ParseDnsReply(std::string_view message, std::uint16_t id, Family family) {
  constexpr std::uint16_t kResponse = 0x8000;
  constexpr std::uint16_t kTruncated = 0x0200;
  constexpr std::uint16_t kCode = 0x000f;
  Reader reader(message);
  if (message.size() < kHeader || reader.U16() != id) return std::nullopt;
  const std::uint16_t flags = reader.U16();
  if ((flags & kResponse) == 0 || (flags & kTruncated) != 0) return std::nullopt;
  const std::uint16_t questions = reader.U16();
  const std::uint16_t answers = reader.U16();
  reader.Take(4);
  for (int i = 0; i < questions; ++i) {
    reader.SkipName();
    reader.Take(4);
  }
  DnsReply reply{.code = flags & kCode};
  const std::uint16_t wanted = family == Family::kIpv6 ? kAddress6 : kAddress4;
  for (int i = 0; i < answers && reader.is_sound(); ++i) {
    reader.SkipName();
    const std::uint16_t type = reader.U16();
    const std::uint16_t klass = reader.U16();
    reader.Take(4);  // how long it may be kept
    const std::string_view data = reader.Take(reader.U16());
    const std::size_t size = family == Family::kIpv6 ? 16 : 4;
    if (type == wanted && klass == kInternet && data.size() == size) {
      reply.addresses.push_back(IpAddress::FromBytes(family, data.data()));
    }
  }
  if (!reader.is_sound()) return std::nullopt;
  return reply;
}

}  // namespace runner::check
