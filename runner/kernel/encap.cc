#include "kernel/encap.h"

#include <arpa/inet.h>
#include <linux/lwtunnel.h>
#include <linux/mpls.h>
#include <linux/mpls_iptunnel.h>
#include <linux/rtnetlink.h>
#include <linux/seg6_iptunnel.h>
#include <linux/seg6_local.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace runner {
namespace {

constexpr std::size_t kSegment = 16;  // bytes
constexpr std::size_t kHeader = 8;    // of a segment routing header before its segments
constexpr char kSegmentRouting = 4;   // RFC 8754 2

// linux/seg6_local.h, by ip-route(8)'s names.
struct ActionName {
  std::string_view name;
  std::uint32_t number;
};
constexpr std::array kActions = {ActionName{"End", SEG6_LOCAL_ACTION_END},
                                 ActionName{"End.X", SEG6_LOCAL_ACTION_END_X},
                                 ActionName{"End.T", SEG6_LOCAL_ACTION_END_T},
                                 ActionName{"End.DX2", SEG6_LOCAL_ACTION_END_DX2},
                                 ActionName{"End.DX6", SEG6_LOCAL_ACTION_END_DX6},
                                 ActionName{"End.DX4", SEG6_LOCAL_ACTION_END_DX4},
                                 ActionName{"End.DT6", SEG6_LOCAL_ACTION_END_DT6},
                                 ActionName{"End.DT4", SEG6_LOCAL_ACTION_END_DT4},
                                 ActionName{"End.DT46", SEG6_LOCAL_ACTION_END_DT46},
                                 ActionName{"End.B6", SEG6_LOCAL_ACTION_END_B6},
                                 ActionName{"End.B6.Encaps", SEG6_LOCAL_ACTION_END_B6_ENCAP},
                                 ActionName{"End.BM", SEG6_LOCAL_ACTION_END_BM},
                                 ActionName{"End.S", SEG6_LOCAL_ACTION_END_S},
                                 ActionName{"End.AS", SEG6_LOCAL_ACTION_END_AS},
                                 ActionName{"End.AM", SEG6_LOCAL_ACTION_END_AM}};

// The parameters that are a number or an address, in the order in which ip-route(8) prints them.
struct Parameter {
  std::string_view name;
  int attribute;
  enum class Form { kNumber, kAddress4, kAddress6 } form;
};
constexpr std::array kParameters = {Parameter{"table", SEG6_LOCAL_TABLE, Parameter::Form::kNumber},
                                    Parameter{"vrftable", SEG6_LOCAL_VRFTABLE, Parameter::Form::kNumber},
                                    Parameter{"nh4", SEG6_LOCAL_NH4, Parameter::Form::kAddress4},
                                    Parameter{"nh6", SEG6_LOCAL_NH6, Parameter::Form::kAddress6},
                                    Parameter{"iif", SEG6_LOCAL_IIF, Parameter::Form::kNumber},
                                    Parameter{"oif", SEG6_LOCAL_OIF, Parameter::Form::kNumber}};

Error Unknown(const std::string& encap) {
  return {.where = {}, .tried = "encapsulate", .why = "no encapsulation is called " + Quote(encap), .code = EINVAL};
}

std::optional<std::vector<IpAddress>> Segments(std::string_view list) {
  std::vector<IpAddress> segments;
  for (const std::string_view one : Split(list, ',')) {
    const auto address = IpAddress::Parse(one);
    if (!address || !address->is_ipv6()) return std::nullopt;
    segments.push_back(*address);
  }
  return segments;
}

/// A segment routing header (RFC 8754 2): the segments stand in it last first. Inline, the packet's own destination
/// takes the first place of all, which the kernel fills in.
std::string SegmentHeader(const std::vector<IpAddress>& segments, bool is_inline) {
  const std::size_t count = segments.size() + (is_inline ? 1 : 0);
  std::string bytes(kHeader + count * kSegment, '\0');
  // Next header, length in units of 8 bytes without the first, type, segments left, last entry, flags, tag.
  bytes[1] = static_cast<char>((bytes.size() >> 3) - 1);
  bytes[2] = kSegmentRouting;
  bytes[3] = bytes[4] = static_cast<char>(count - 1);
  std::size_t at = bytes.size();
  for (const IpAddress& segment : segments) {
    at -= kSegment;
    std::memcpy(bytes.data() + at, segment.bytes(), kSegment);
  }
  return bytes;
}

std::string SegmentWords(std::string_view header, bool is_inline) {
  std::string out;
  const std::size_t first = kHeader + (is_inline ? kSegment : 0);
  for (std::size_t at = header.size(); at >= first + kSegment; at -= kSegment) {
    const auto segment = IpAddress::FromBytes(Family::kIpv6, header.data() + at - kSegment);
    out += (out.empty() ? "" : ",") + segment.text();
  }
  return out;
}

Status EncodeMpls(NetlinkMessage& message, const std::vector<std::string_view>& words) {
  std::vector<std::uint32_t> stack;
  for (const std::string_view label : Split(words.size() == 2 ? words[1] : "", '/')) {
    const auto number = ParseInteger(label);
    if (!number) return Unknown("mpls");
    stack.push_back(htonl(static_cast<std::uint32_t>(*number) << MPLS_LS_LABEL_SHIFT));
  }
  stack.back() |= htonl(1U << MPLS_LS_S_SHIFT);
  message.PutU16(RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_MPLS);
  const NetlinkMessage::Nest nest(message, RTA_ENCAP);
  message.PutBytes(MPLS_IPTUNNEL_DST, stack.data(), stack.size() * sizeof stack.front());
  return {};
}

Status EncodeSeg6(NetlinkMessage& message, const std::vector<std::string_view>& words) {
  // seg6 mode MODE segs LIST
  const auto segments = words.size() == 5 ? Segments(words[4]) : std::nullopt;
  if (!segments) return Unknown("seg6");
  const bool is_inline = words[2] == "inline";
  const int mode = is_inline ? SEG6_IPTUN_MODE_INLINE : SEG6_IPTUN_MODE_ENCAP;
  std::string value(sizeof mode, '\0');
  std::memcpy(value.data(), &mode, sizeof mode);
  value += SegmentHeader(*segments, is_inline);
  message.PutU16(RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_SEG6);
  const NetlinkMessage::Nest nest(message, RTA_ENCAP);
  message.PutBytes(SEG6_IPTUNNEL_SRH, value.data(), value.size());
  return {};
}

Status EncodeParameter(NetlinkMessage& message, std::string_view name, std::string_view value) {
  const auto* known = std::ranges::find(kParameters, name, &Parameter::name);
  if (known == kParameters.end()) return Unknown("seg6local … " + std::string(name));
  const auto address = IpAddress::Parse(value);
  const auto number = ParseInteger(value);
  if (known->form == Parameter::Form::kNumber) {
    if (!number) return Unknown("seg6local … " + std::string(name));
    message.PutU32(known->attribute, static_cast<std::uint32_t>(*number));
    return {};
  }
  if (!address || address->is_ipv6() != (known->form == Parameter::Form::kAddress6)) {
    return Unknown("seg6local … " + std::string(name));
  }
  message.PutAddress(known->attribute, *address);
  return {};
}

Status EncodeSeg6Local(NetlinkMessage& message, const std::vector<std::string_view>& words) {
  // seg6local action ACTION [srh segs LIST] [PARAMETER VALUE]…
  const auto* action = words.size() < 3 ? kActions.end() : std::ranges::find(kActions, words[2], &ActionName::name);
  if (action == kActions.end()) return Unknown("seg6local");
  message.PutU16(RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_SEG6_LOCAL);
  const NetlinkMessage::Nest nest(message, RTA_ENCAP);
  message.PutU32(SEG6_LOCAL_ACTION, action->number);
  for (std::size_t i = 3; i + 1 < words.size(); i += 2) {
    if (words[i] != "srh") {
      TRY(EncodeParameter(message, words[i], words[i + 1]));
      continue;
    }
    const auto segments = i + 2 < words.size() ? Segments(words[i + 2]) : std::nullopt;
    if (!segments) return Unknown("seg6local … srh");
    const std::string header = SegmentHeader(*segments, action->number == SEG6_LOCAL_ACTION_END_B6);
    message.PutBytes(SEG6_LOCAL_SRH, header.data(), header.size());
    ++i;
  }
  return {};
}

std::string DecodeMpls(const NetlinkAttributes& encap) {
  std::string_view bytes = encap.Bytes(MPLS_IPTUNNEL_DST);
  std::string out = "mpls ";
  for (std::uint32_t entry = 0; bytes.size() >= sizeof entry; bytes.remove_prefix(sizeof entry)) {
    bytes.copy(reinterpret_cast<char*>(&entry), sizeof entry);
    out += fmt::format("{}{}", out.back() == ' ' ? "" : "/", ntohl(entry) >> MPLS_LS_LABEL_SHIFT);
  }
  return out;
}

std::string DecodeSeg6(const NetlinkAttributes& encap) {
  const std::string_view bytes = encap.Bytes(SEG6_IPTUNNEL_SRH);
  int mode = 0;
  if (bytes.size() < sizeof mode + kHeader) return "other";
  bytes.copy(reinterpret_cast<char*>(&mode), sizeof mode);
  if (mode != SEG6_IPTUN_MODE_INLINE && mode != SEG6_IPTUN_MODE_ENCAP) return "other";
  const bool is_inline = mode == SEG6_IPTUN_MODE_INLINE;
  return fmt::format("seg6 mode {} segs {}", is_inline ? "inline" : "encap",
                     SegmentWords(bytes.substr(sizeof mode), is_inline));
}

std::string DecodeSeg6Local(const NetlinkAttributes& encap) {
  const auto number = encap.U32(SEG6_LOCAL_ACTION).value_or(0);
  const auto* action = std::ranges::find(kActions, number, &ActionName::number);
  if (action == kActions.end()) return "other";
  std::string out = "seg6local action " + std::string(action->name);
  if (const std::string_view header = encap.Bytes(SEG6_LOCAL_SRH); header.size() > kHeader) {
    out += " srh segs " + SegmentWords(header, number == SEG6_LOCAL_ACTION_END_B6);
  }
  for (const Parameter& parameter : kParameters) {
    const Family family = parameter.form == Parameter::Form::kAddress4 ? Family::kIpv4 : Family::kIpv6;
    if (parameter.form == Parameter::Form::kNumber) {
      if (const auto value = encap.U32(parameter.attribute)) out += fmt::format(" {} {}", parameter.name, *value);
    } else if (const auto address = encap.Address(parameter.attribute, family)) {
      out += fmt::format(" {} {}", parameter.name, address->text());
    }
  }
  return out;
}

}  // namespace

Status EncodeEncap(NetlinkMessage& message, const std::string& encap) {
  const auto words = Split(encap, ' ');
  if (words.front() == "mpls") return EncodeMpls(message, words);
  if (words.front() == "seg6") return EncodeSeg6(message, words);
  if (words.front() == "seg6local") return EncodeSeg6Local(message, words);
  return Unknown(encap);
}

std::string DecodeEncap(const NetlinkAttributes& route) {
  const auto type = route.U16(RTA_ENCAP_TYPE);
  if (!type) return "";
  constexpr int kHighest = 16;
  const NetlinkAttributes encap = route.Nested(RTA_ENCAP, kHighest);
  switch (*type) {
    case LWTUNNEL_ENCAP_MPLS:
      return DecodeMpls(encap);
    case LWTUNNEL_ENCAP_SEG6:
      return DecodeSeg6(encap);
    case LWTUNNEL_ENCAP_SEG6_LOCAL:
      return DecodeSeg6Local(encap);
    default:
      return "other";
  }
}

}  // namespace runner
