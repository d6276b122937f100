#include "kernel/link_options.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/link_types.h"
#include "base/text.h"

namespace runner {
namespace {

using Form = LinkOption::Form;

constexpr std::uint8_t kEncapsulationLimit = 4;  // RFC 2473 6.6, as ip-link(8) sets it

std::uint64_t NumberOf(const LinkOption& option, const std::string& value) {
  for (const LinkOption::Word& word : option.words) {
    if (word.text == value) return word.number;
  }
  return static_cast<std::uint64_t>(ParseInteger(value).value_or(0));
}

/// As it stands on the wire (IEEE 802.1AE, 9.9): six bytes of address, two of port.
std::array<std::uint8_t, 8> ChannelBytes(const std::string& digits) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size() && 2 * i + 1 < digits.size(); ++i) {
    bytes[i] =
        static_cast<std::uint8_t>(HexDigit(digits[2 * i]).value_or(0) << 4 | HexDigit(digits[2 * i + 1]).value_or(0));
  }
  return bytes;
}

std::optional<std::string> ChannelText(std::string_view bytes) {
  if (bytes.size() != sizeof(std::uint64_t)) return std::nullopt;
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<std::uint8_t>(byte));
  return out;
}

std::optional<std::string> ChannelPortText(std::string_view bytes) {
  if (bytes.size() != sizeof(std::uint64_t)) return std::nullopt;
  return std::to_string(static_cast<std::uint8_t>(bytes[6]) << 8 | static_cast<std::uint8_t>(bytes[7]));
}

void EncodeKey(NetlinkMessage& message, const std::string& type, std::uint32_t key) {
  // vti has no flags: there the key is always meant.
  if (type.starts_with("vti")) {
    message.PutU32(IFLA_VTI_IKEY, htonl(key));
    message.PutU32(IFLA_VTI_OKEY, htonl(key));
    return;
  }
  message.PutU16(IFLA_GRE_IFLAGS, GRE_KEY);
  message.PutU16(IFLA_GRE_OFLAGS, GRE_KEY);
  message.PutU32(IFLA_GRE_IKEY, htonl(key));
  message.PutU32(IFLA_GRE_OKEY, htonl(key));
}

void EncodeAddresses(NetlinkMessage& message, int attribute, const std::string& value) {
  const NetlinkMessage::Nest nest(message, attribute);
  int number = 0;
  for (const std::string_view one : Split(value, ',')) {
    if (const auto address = IpAddress::Parse(one)) message.PutAddress(number++, *address);
  }
}

void EncodeOption(NetlinkMessage& message, const std::string& type, const LinkOption& option,
                  const std::string& value) {
  const std::uint64_t wide = NumberOf(option, value);
  const auto number = static_cast<std::uint32_t>(wide);
  switch (option.form) {
    case Form::kU8:
    case Form::kWord8:
      return message.PutU8(option.attribute, static_cast<std::uint8_t>(number));
    case Form::kU16:
    case Form::kWord16:
      return message.PutU16(option.attribute, static_cast<std::uint16_t>(number));
    case Form::kPort:
    case Form::kWordBe16:
    case Form::kChannelPort:
      return message.PutU16(option.attribute, htons(static_cast<std::uint16_t>(number)));
    case Form::kFlag:
      return message.PutU8(option.attribute, value == "on" ? 1 : 0);
    case Form::kU32:
    case Form::kWord32:
    case Form::kDevice:
      return message.PutU32(option.attribute, number);
    case Form::kAddress:
      if (const auto address = IpAddress::Parse(value)) {
        message.PutAddress(address->is_ipv6() ? option.attribute6 : option.attribute, *address);
      }
      return;
    case Form::kAddresses:
      return EncodeAddresses(message, option.attribute, value);
    case Form::kMac:
      if (const auto mac = MacAddress::Parse(value)) message.PutMac(option.attribute, *mac);
      return;
    case Form::kTunKey:
      return EncodeKey(message, type, number);
    case Form::kWord64:
      return message.PutBytes(option.attribute, &wide, sizeof wide);
    case Form::kChannel: {
      const auto bytes = ChannelBytes(value);
      return message.PutBytes(option.attribute, bytes.data(), bytes.size());
    }
    case Form::kTunUser:
    case Form::kKey:
      return;  // not by this message
  }
}

std::string WordFor(const LinkOption& option, std::uint64_t number) {
  for (const LinkOption::Word& word : option.words) {
    if (word.number == number) return std::string(word.text);
  }
  return std::to_string(number);
}

template <class T>
std::optional<std::string> Text(const std::optional<T>& number) {
  return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

template <class T>
std::optional<std::string> Word(const LinkOption& option, const std::optional<T>& number) {
  return number ? std::optional(WordFor(option, *number)) : std::nullopt;
}

std::optional<std::uint16_t> HostOrder(const std::optional<std::uint16_t>& number) {
  return number ? std::optional(ntohs(*number)) : std::nullopt;
}

std::optional<std::string> DecodeAddress(const LinkOption& option, const NetlinkAttributes& data) {
  std::optional<IpAddress> address;
  if (option.attribute != 0) address = data.Address(option.attribute, Family::kIpv4);
  if (!address && option.attribute6 != 0) address = data.Address(option.attribute6, Family::kIpv6);
  if (!address || address->is_unspecified()) return std::nullopt;
  // To the kernel a vxlan's single address and its group are one.
  if (option.name == "group" && !address->is_multicast()) return std::nullopt;
  if (option.name == "remote" && address->is_multicast()) return std::nullopt;
  return address->text();
}

std::optional<std::string> DecodeAddresses(const LinkOption& option, const NetlinkAttributes& data) {
  constexpr int kMostTargets = 16;  // BOND_MAX_ARP_TARGETS
  const NetlinkAttributes list = data.Nested(option.attribute, kMostTargets);
  std::string out;
  for (int i = 0; i < kMostTargets; ++i) {
    if (const auto address = list.Address(i, Family::kIpv4)) out += (out.empty() ? "" : ",") + address->text();
  }
  return out.empty() ? std::nullopt : std::optional(out);
}

std::optional<std::string> DecodeKey(const std::string& type, const NetlinkAttributes& data) {
  const bool vti = type.starts_with("vti");
  const int attribute = vti ? static_cast<int>(IFLA_VTI_OKEY) : static_cast<int>(IFLA_GRE_OKEY);
  const auto key = data.U32(attribute);
  const bool given = vti ? key.value_or(0) != 0 : (data.U16(IFLA_GRE_OFLAGS).value_or(0) & GRE_KEY) != 0;
  return key && given ? std::optional(std::to_string(ntohl(*key))) : std::nullopt;
}

std::optional<std::string> DecodeOption(const std::string& type, const LinkOption& option,
                                        const NetlinkAttributes& data) {
  switch (option.form) {
    case Form::kU8:
      return Text(data.U8(option.attribute));
    case Form::kU16:
      return Text(data.U16(option.attribute));
    case Form::kU32:
      return Text(data.U32(option.attribute));
    case Form::kPort:
      return Text(HostOrder(data.U16(option.attribute)));
    case Form::kWord8:
      return Word(option, data.U8(option.attribute));
    case Form::kWord16:
      return Word(option, data.U16(option.attribute));
    case Form::kWord32:
      return Word(option, data.U32(option.attribute));
    case Form::kWordBe16:
      return Word(option, HostOrder(data.U16(option.attribute)));
    case Form::kFlag: {
      const auto flag = data.U8(option.attribute);
      return flag ? std::optional<std::string>(*flag != 0 ? "on" : "off") : std::nullopt;
    }
    case Form::kDevice: {
      if (option.attribute == 0) return std::nullopt;
      const auto index = data.U32(option.attribute);
      return index.value_or(0) == 0 ? std::nullopt : Text(index);
    }
    case Form::kAddress:
      return DecodeAddress(option, data);
    case Form::kAddresses:
      return DecodeAddresses(option, data);
    case Form::kMac: {
      const auto mac = data.Mac(option.attribute);
      return mac && !mac->is_zero() ? std::optional(mac->text()) : std::nullopt;
    }
    case Form::kTunKey:
      return DecodeKey(type, data);
    case Form::kWord64: {
      std::uint64_t number = 0;
      const std::string_view bytes = data.Bytes(option.attribute);
      if (bytes.size() != sizeof number) return std::nullopt;
      std::memcpy(&number, bytes.data(), sizeof number);
      return WordFor(option, number);
    }
    case Form::kChannel:
      return ChannelText(data.Bytes(option.attribute));
    case Form::kChannelPort:
      return ChannelPortText(data.Bytes(option.attribute6));
    case Form::kTunUser:
      return Text(data.U32(option.attribute));
    case Form::kKey:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Status EncodeLinkOptions(NetlinkMessage& message, const std::string& type, const LinkOptions& options) {
  for (const auto& [name, value] : options) {
    const LinkOption* option = FindLinkOption(type, name);
    const bool fits = option != nullptr && CanonicalLinkOption(*option, value) == value;
    if (!fits) {
      return Error{
          .where = {},
          .tried = "set " + name,
          .why = option == nullptr ? "a " + type + " has no such setting" : Quote(value) + " is no value for it",
          .code = EINVAL};
    }
    if (option->attribute != 0 || option->attribute6 != 0) EncodeOption(message, type, *option, value);
  }
  if (type == "ip6tnl") message.PutU8(IFLA_IPTUN_ENCAP_LIMIT, kEncapsulationLimit);
  if (type.starts_with("ip6gre")) message.PutU8(IFLA_GRE_ENCAP_LIMIT, kEncapsulationLimit);
  return {};
}

LinkOptions DecodeLinkOptions(const std::string& type, const NetlinkAttributes& data) {
  LinkOptions options;
  const LinkType* known = FindLinkType(type);
  if (known == nullptr) return options;
  for (const LinkOption& option : known->options) {
    if (auto value = DecodeOption(type, option, data)) options.emplace(option.name, std::move(*value));
  }
  return options;
}

}  // namespace runner
