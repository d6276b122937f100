#include "kernel/rule.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace runner {
namespace {

constexpr std::uint32_t kAllBits = 0xffffffffU;

std::optional<IpPrefix> Selector(const NetlinkAttributes& attributes, int attribute, Family family, int length) {
  const auto address = attributes.Address(attribute, family);
  if (!address) return {};
  return IpPrefix(*address, length);
}

std::optional<RuleInfo> DecodeRule(const nlmsghdr& message, Family family) {
  const auto* header = FixedPart<fib_rule_hdr>(message);
  if (message.nlmsg_type != RTM_NEWRULE || header == nullptr || header->family != FamilyNumber(family)) return {};
  const auto attributes = NetlinkAttributes::Of(message, sizeof *header, FRA_MAX);
  RuleInfo rule;
  rule.family = family;
  rule.priority = attributes.U32(FRA_PRIORITY).value_or(0);
  rule.from = Selector(attributes, FRA_SRC, family, header->src_len);
  rule.to = Selector(attributes, FRA_DST, family, header->dst_len);
  rule.iif = attributes.String(FRA_IIFNAME).value_or("");
  rule.oif = attributes.String(FRA_OIFNAME).value_or("");
  rule.fwmark = attributes.U32(FRA_FWMARK);
  const auto mask = attributes.U32(FRA_FWMASK);
  // The kernel tells a mark of 0 by its mask alone, and always tells the mask.
  if (mask && !rule.fwmark) rule.fwmark = 0;
  if (mask && *mask != kAllBits) rule.fwmask = mask;
  rule.table = attributes.U32(FRA_TABLE).value_or(header->table);
  rule.action = header->action;
  rule.protocol = attributes.U8(FRA_PROTOCOL).value_or(RTPROT_UNSPEC);
  return rule;
}

void EncodeRule(NetlinkMessage& message, const RuleInfo& rule) {
  fib_rule_hdr header{};
  header.family = FamilyNumber(rule.family);
  header.src_len = static_cast<std::uint8_t>(rule.from ? rule.from->length() : 0);
  header.dst_len = static_cast<std::uint8_t>(rule.to ? rule.to->length() : 0);
  header.action = rule.action;
  message.Append(header);
  message.PutU32(FRA_PRIORITY, rule.priority);
  if (rule.from) message.PutAddress(FRA_SRC, rule.from->address());
  if (rule.to) message.PutAddress(FRA_DST, rule.to->address());
  if (!rule.iif.empty()) message.PutString(FRA_IIFNAME, rule.iif);
  if (!rule.oif.empty()) message.PutString(FRA_OIFNAME, rule.oif);
  if (rule.fwmark) {
    message.PutU32(FRA_FWMARK, *rule.fwmark);
    // Without a mask, a mark of 0 would match every packet.
    message.PutU32(FRA_FWMASK, rule.fwmask.value_or(kAllBits));
  }
  if (rule.action == FR_ACT_TO_TBL) message.PutU32(FRA_TABLE, rule.table);
  message.PutU8(FRA_PROTOCOL, rule.protocol);
}

std::string Words(const char* verb, const RuleInfo& rule) {
  return std::string(verb) + " rule " + std::to_string(rule.priority);
}

}  // namespace

Result<std::vector<RuleInfo>> ReadRules(NetlinkSocket& socket) {
  std::vector<RuleInfo> rules;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    NetlinkMessage message(RTM_GETRULE, 0);
    fib_rule_hdr header{};
    header.family = FamilyNumber(family);
    message.Append(header);
    auto read = socket.Dump(message, "read rules", [&](const nlmsghdr& answer) -> Status {
      if (auto rule = DecodeRule(answer, family)) rules.push_back(std::move(*rule));
      return {};
    });
    // A kernel without the family has no rules of it.
    if (!read.ok() && read.error().code != EAFNOSUPPORT) return std::move(read).error();
  }
  return rules;
}

Status AddRule(NetlinkSocket& socket, const RuleInfo& rule) {
  NetlinkMessage message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  EncodeRule(message, rule);
  return socket.Request(message, Words("add", rule));
}

Status DeleteRule(NetlinkSocket& socket, const RuleInfo& rule) {
  NetlinkMessage message(RTM_DELRULE, 0);
  EncodeRule(message, rule);
  return socket.Request(message, Words("delete", rule));
}

}  // namespace runner
