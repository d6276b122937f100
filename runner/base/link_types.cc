#include "base/link_types.h"

#include <linux/if_link.h>
#include <linux/if_macsec.h>
#include <linux/if_tunnel.h>

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/ip.h"
#include "base/mac.h"
#include "base/text.h"
#include "base/wireguard_key.h"

namespace runner {
namespace {

using Form = LinkOption::Form;
constexpr auto kInPlace = LinkOption::Change::kInPlace;
constexpr auto kReplace = LinkOption::Change::kReplace;

constexpr std::uint32_t kEthernetVlan = 0x8100;     // ETH_P_8021Q
constexpr std::uint32_t kEthernetService = 0x88a8;  // ETH_P_8021AD

LinkOption Words(std::string_view name, Form form, LinkOption::Change change, int attribute,
                 std::vector<LinkOption::Word> words) {
  return {.name = name, .form = form, .change = change, .attribute = attribute, .words = std::move(words)};
}

/// Words that stand for 0, 1, 2, …
LinkOption Counted(std::string_view name, Form form, LinkOption::Change change, int attribute,
                   std::initializer_list<std::string_view> words) {
  LinkOption option = Words(name, form, change, attribute, {});
  for (const std::string_view word : words) option.words.push_back({word, option.words.size()});
  return option;
}

LinkOption Number(std::string_view name, Form form, LinkOption::Change change, int attribute, std::int64_t least = 0,
                  std::int64_t most = 0) {
  return {.name = name, .form = form, .change = change, .attribute = attribute, .least = least, .most = most};
}

LinkOption Plain(std::string_view name, Form form, LinkOption::Change change, int attribute, int attribute6 = 0) {
  return {.name = name, .form = form, .change = change, .attribute = attribute, .attribute6 = attribute6};
}

/// The interface that this one stands on, by IFLA_LINK.
LinkOption Parent() { return Plain("link", Form::kDevice, kReplace, 0); }

LinkType Macvlan(std::string_view name) {
  return {.name = name,
          .has_mac = true,
          .over_link = true,
          .options = {Parent(), Words("mode", Form::kWord32, kInPlace, IFLA_MACVLAN_MODE,
                                      {{"private", MACVLAN_MODE_PRIVATE},
                                       {"vepa", MACVLAN_MODE_VEPA},
                                       {"bridge", MACVLAN_MODE_BRIDGE},
                                       {"passthru", MACVLAN_MODE_PASSTHRU},
                                       {"source", MACVLAN_MODE_SOURCE}})}};
}

LinkType Gre(std::string_view name, bool ethernet, bool ipv6) {
  LinkType type{
      .name = name,
      .has_mac = ethernet,
      .changed_whole = true,
      .options = {Plain("local", Form::kAddress, kInPlace, ipv6 ? 0 : IFLA_GRE_LOCAL, ipv6 ? IFLA_GRE_LOCAL : 0),
                  Plain("remote", Form::kAddress, kInPlace, ipv6 ? 0 : IFLA_GRE_REMOTE, ipv6 ? IFLA_GRE_REMOTE : 0),
                  Plain("key", Form::kTunKey, kInPlace, IFLA_GRE_IKEY), Plain("ttl", Form::kU8, kInPlace, IFLA_GRE_TTL),
                  Plain("dev", Form::kDevice, kInPlace, IFLA_GRE_LINK)}};
  return type;
}

LinkType IpTunnel(std::string_view name, bool ipv6) {
  return {
      .name = name,
      .changed_whole = true,
      .options = {Plain("local", Form::kAddress, kInPlace, ipv6 ? 0 : IFLA_IPTUN_LOCAL, ipv6 ? IFLA_IPTUN_LOCAL : 0),
                  Plain("remote", Form::kAddress, kInPlace, ipv6 ? 0 : IFLA_IPTUN_REMOTE, ipv6 ? IFLA_IPTUN_REMOTE : 0),
                  Plain("ttl", Form::kU8, kInPlace, IFLA_IPTUN_TTL),
                  Plain("dev", Form::kDevice, kInPlace, IFLA_IPTUN_LINK)}};
}

LinkType Vti(std::string_view name, bool ipv6) {
  return {.name = name,
          .changed_whole = true,
          .options = {Plain("local", Form::kAddress, kInPlace, ipv6 ? 0 : IFLA_VTI_LOCAL, ipv6 ? IFLA_VTI_LOCAL : 0),
                      Plain("remote", Form::kAddress, kInPlace, ipv6 ? 0 : IFLA_VTI_REMOTE, ipv6 ? IFLA_VTI_REMOTE : 0),
                      Plain("key", Form::kTunKey, kInPlace, IFLA_VTI_IKEY),
                      Plain("dev", Form::kDevice, kInPlace, IFLA_VTI_LINK)}};
}

LinkType Bond() {
  // What the kernel takes only while the bond is down or without members is a replacement here.
  return {
      .name = "bond",
      .has_mac = true,
      .options = {
          Counted("mode", Form::kWord8, kReplace, IFLA_BOND_MODE,
                  {"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}),
          Plain("active_slave", Form::kDevice, kInPlace, IFLA_BOND_ACTIVE_SLAVE),
          Number("ad_actor_sys_prio", Form::kU16, kReplace, IFLA_BOND_AD_ACTOR_SYS_PRIO, 1),
          Plain("ad_actor_system", Form::kMac, kReplace, IFLA_BOND_AD_ACTOR_SYSTEM),
          Counted("ad_select", Form::kWord8, kReplace, IFLA_BOND_AD_SELECT, {"stable", "bandwidth", "count"}),
          Number("ad_user_port_key", Form::kU16, kReplace, IFLA_BOND_AD_USER_PORT_KEY, 0, 1023),
          Plain("all_slaves_active", Form::kFlag, kInPlace, IFLA_BOND_ALL_SLAVES_ACTIVE),
          Counted("arp_all_targets", Form::kWord32, kInPlace, IFLA_BOND_ARP_ALL_TARGETS, {"any", "all"}),
          Plain("arp_interval", Form::kU32, kInPlace, IFLA_BOND_ARP_INTERVAL),
          Plain("arp_ip_target", Form::kAddresses, kInPlace, IFLA_BOND_ARP_IP_TARGET),
          Counted("arp_validate", Form::kWord32, kInPlace, IFLA_BOND_ARP_VALIDATE,
                  {"none", "active", "backup", "all", "filter", "filter_active", "filter_backup"}),
          Plain("downdelay", Form::kU32, kInPlace, IFLA_BOND_DOWNDELAY),
          Counted("fail_over_mac", Form::kWord8, kReplace, IFLA_BOND_FAIL_OVER_MAC, {"none", "active", "follow"}),
          Counted("lacp_rate", Form::kWord8, kReplace, IFLA_BOND_AD_LACP_RATE, {"slow", "fast"}),
          Number("lp_interval", Form::kU32, kInPlace, IFLA_BOND_LP_INTERVAL, 1, std::numeric_limits<int>::max()),
          Plain("miimon", Form::kU32, kInPlace, IFLA_BOND_MIIMON),
          Plain("min_links", Form::kU32, kInPlace, IFLA_BOND_MIN_LINKS),
          Plain("num_grat_arp", Form::kU8, kInPlace, IFLA_BOND_NUM_PEER_NOTIF),
          Plain("num_unsol_na", Form::kU8, kInPlace, IFLA_BOND_NUM_PEER_NOTIF),
          Number("packets_per_slave", Form::kU32, kInPlace, IFLA_BOND_PACKETS_PER_SLAVE, 0, 65535),
          Plain("peer_notify_delay", Form::kU32, kInPlace, IFLA_BOND_PEER_NOTIF_DELAY),
          Plain("primary", Form::kDevice, kInPlace, IFLA_BOND_PRIMARY),
          Counted("primary_reselect", Form::kWord8, kInPlace, IFLA_BOND_PRIMARY_RESELECT,
                  {"always", "better", "failure"}),
          Number("resend_igmp", Form::kU32, kInPlace, IFLA_BOND_RESEND_IGMP, 0, 255),
          Plain("tlb_dynamic_lb", Form::kFlag, kReplace, IFLA_BOND_TLB_DYNAMIC_LB),
          Plain("updelay", Form::kU32, kInPlace, IFLA_BOND_UPDELAY),
          Plain("use_carrier", Form::kFlag, kInPlace, IFLA_BOND_USE_CARRIER),
          Counted("xmit_hash_policy", Form::kWord8, kInPlace, IFLA_BOND_XMIT_HASH_POLICY,
                  {"layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"})}};
}

LinkType Tun(std::string_view name) {
  return {.name = name,
          .has_mac = name == "tap",
          .options = {Plain("user", Form::kTunUser, kReplace, IFLA_TUN_OWNER),
                      Plain("multi_queue", Form::kFlag, kReplace, IFLA_TUN_MULTI_QUEUE)}};
}

std::int64_t MostOf(const LinkOption& option) {
  if (option.most != 0) return option.most;
  switch (option.form) {
    case Form::kU8:
      return std::numeric_limits<std::uint8_t>::max();
    case Form::kU16:
    case Form::kPort:
    case Form::kChannelPort:
      return std::numeric_limits<std::uint16_t>::max();
    default:
      return std::numeric_limits<std::uint32_t>::max();
  }
}

std::optional<std::string> CanonicalNumber(const LinkOption& option, std::string_view value) {
  const auto number = ParseInteger(value);
  if (!number || *number < option.least || *number > MostOf(option)) return std::nullopt;
  return std::to_string(*number);
}

std::string NumberValues(const LinkOption& option) {
  return fmt::format("a number from {} to {}", option.least, MostOf(option));
}

/// Of words for one number the first.
std::optional<std::string> CanonicalWord(const LinkOption& option, std::string_view value) {
  const auto named = std::ranges::find(option.words, value, &LinkOption::Word::text);
  auto number = named == option.words.end() ? ParseInteger(value) : std::optional<std::int64_t>(named->number);
  for (const LinkOption::Word& word : option.words) {
    if (number && static_cast<std::uint64_t>(*number) == word.number) return std::string(word.text);
  }
  return std::nullopt;
}

std::string WordValues(const LinkOption& option) { return "one of " + Join(LinkOptionWords(option), ", "); }

std::optional<std::string> CanonicalFlag(const LinkOption& /*option*/, std::string_view value) {
  for (const std::string_view on : {"on", "true", "1"}) {
    if (value == on) return "on";
  }
  for (const std::string_view off : {"off", "false", "0"}) {
    if (value == off) return "off";
  }
  return std::nullopt;
}

std::optional<std::string> CanonicalAddress(const LinkOption& option, std::string_view value) {
  const auto address = IpAddress::Parse(value);
  const bool lists = option.form == Form::kAddresses;
  if (!address || (address->is_ipv6() ? lists || option.attribute6 == 0 : option.attribute == 0)) return std::nullopt;
  return address->text();
}

std::string AddressValues(const LinkOption& option) {
  if (option.attribute == 0) return "an IPv6 address";
  return option.attribute6 == 0 ? "an IPv4 address" : "an IP address";
}

std::optional<std::string> CanonicalAddresses(const LinkOption& option, std::string_view value) {
  std::string out;
  for (const std::string_view one : Split(value, ',')) {
    const auto address = CanonicalAddress(option, one);
    if (!address) return std::nullopt;
    out += (out.empty() ? "" : ",") + *address;
  }
  return out;
}

std::optional<std::string> CanonicalMac(const LinkOption& /*option*/, std::string_view value) {
  const auto mac = MacAddress::Parse(value);
  return mac ? std::optional(mac->text()) : std::nullopt;
}

std::optional<std::string> CanonicalName(const LinkOption& /*option*/, std::string_view value) {
  return value.empty() ? std::nullopt : std::optional(std::string(value));
}

std::optional<std::string> CanonicalChannel(const LinkOption& /*option*/, std::string_view value) {
  constexpr std::size_t kDigits = 16;
  if (value.starts_with("0x")) value.remove_prefix(2);
  if (value.size() != kDigits) return std::nullopt;
  std::string out;
  for (const char c : value) {
    const auto digit = HexDigit(c);
    if (!digit) return std::nullopt;
    out += fmt::format("{:x}", *digit);
  }
  return out;
}

std::optional<std::string> CanonicalKey(const LinkOption& /*option*/, std::string_view value) {
  return WireguardKey::Parse(value) ? std::optional(std::string(value)) : std::nullopt;
}

/// What a form lets be written: how it is spelt, and what a message says of it.
struct Rules {
  std::optional<std::string> (*canonical)(const LinkOption& option, std::string_view value);
  std::string (*values)(const LinkOption& option);
};

const Rules& RulesOf(Form form) {
  using Option = const LinkOption&;
  static const Rules number = {CanonicalNumber, NumberValues};
  static const Rules word = {CanonicalWord, WordValues};
  static const Rules flag = {CanonicalFlag, [](Option) { return std::string("true or false"); }};
  static const Rules address = {CanonicalAddress, AddressValues};
  static const Rules addresses = {CanonicalAddresses,
                                  [](Option) { return std::string("IPv4 addresses, separated by commas"); }};
  static const Rules mac = {CanonicalMac, [](Option) { return std::string("a MAC address (02:00:00:00:00:01)"); }};
  static const Rules device = {CanonicalName, [](Option) { return std::string("the name of an interface"); }};
  static const Rules user = {CanonicalName, [](Option) { return std::string("the name or the number of a user"); }};
  static const Rules channel = {CanonicalChannel, [](Option) { return std::string("16 hexadecimal digits"); }};
  static const Rules key = {CanonicalKey, [](Option) { return std::string("a key as `wg pubkey` prints it"); }};
  switch (form) {
    case Form::kU8:
    case Form::kU16:
    case Form::kU32:
    case Form::kPort:
    case Form::kTunKey:
    case Form::kChannelPort:
      return number;
    case Form::kFlag:
      return flag;
    case Form::kWord8:
    case Form::kWord16:
    case Form::kWord32:
    case Form::kWordBe16:
    case Form::kWord64:
      return word;
    case Form::kAddress:
      return address;
    case Form::kAddresses:
      return addresses;
    case Form::kMac:
      return mac;
    case Form::kDevice:
      return device;
    case Form::kTunUser:
      return user;
    case Form::kChannel:
      return channel;
    case Form::kKey:
      return key;
  }
  return number;
}

LinkType Macsec() {
  // The kernel shows the cipher that is the default by its number in the standard's first edition.
  return {
      .name = "macsec",
      .has_mac = true,
      .over_link = true,
      // Of replay and its window the kernel takes neither alone.
      .changed_whole = true,
      .options = {Parent(), Plain("sci", Form::kChannel, kReplace, IFLA_MACSEC_SCI),
                  LinkOption{.name = "port",
                             .form = Form::kChannelPort,
                             .change = kReplace,
                             .attribute = IFLA_MACSEC_PORT,
                             .attribute6 = IFLA_MACSEC_SCI,
                             .least = 1},
                  Words("cipher", Form::kWord64, kReplace, IFLA_MACSEC_CIPHER_SUITE,
                        {{"gcm-aes-128", MACSEC_DEFAULT_CIPHER_ID},
                         {"gcm-aes-256", MACSEC_CIPHER_ID_GCM_AES_256},
                         {"gcm-aes-xpn-128", MACSEC_CIPHER_ID_GCM_AES_XPN_128},
                         {"gcm-aes-xpn-256", MACSEC_CIPHER_ID_GCM_AES_XPN_256},
                         {"default", MACSEC_DEFAULT_CIPHER_ID}}),
                  Number("icvlen", Form::kU8, kReplace, IFLA_MACSEC_ICV_LEN, MACSEC_MIN_ICV_LEN, MACSEC_STD_ICV_LEN),
                  Plain("encrypt", Form::kFlag, kInPlace, IFLA_MACSEC_ENCRYPT),
                  Plain("send_sci", Form::kFlag, kInPlace, IFLA_MACSEC_INC_SCI),
                  Plain("end_station", Form::kFlag, kInPlace, IFLA_MACSEC_ES),
                  Plain("scb", Form::kFlag, kInPlace, IFLA_MACSEC_SCB),
                  Plain("protect", Form::kFlag, kInPlace, IFLA_MACSEC_PROTECT),
                  Plain("replay", Form::kFlag, kInPlace, IFLA_MACSEC_REPLAY_PROTECT),
                  Plain("window", Form::kU32, kInPlace, IFLA_MACSEC_WINDOW),
                  Counted("validate", Form::kWord8, kInPlace, IFLA_MACSEC_VALIDATION, {"disabled", "check", "strict"}),
                  Number("encoding", Form::kU8, kInPlace, IFLA_MACSEC_ENCODING_SA, 0, 3),
                  Counted("offload", Form::kWord8, kReplace, IFLA_MACSEC_OFFLOAD, {"off", "phy", "mac"})}};
}

}  // namespace

const std::vector<LinkType>& LinkTypes() {
  static const std::vector<LinkType> types = {
      {.name = "dummy", .has_mac = true},
      {.name = "vlan",
       .has_mac = true,
       .over_link = true,
       .options = {Parent(), Number("id", Form::kU16, kReplace, IFLA_VLAN_ID, 1, 4094),
                   Words("protocol", Form::kWordBe16, kReplace, IFLA_VLAN_PROTOCOL,
                         {{"802.1q", kEthernetVlan}, {"802.1ad", kEthernetService}})}},
      {.name = "vxlan",
       .has_mac = true,
       .options = {Number("id", Form::kU32, kReplace, IFLA_VXLAN_ID, 0, (1 << 24) - 1),
                   Plain("local", Form::kAddress, kInPlace, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6),
                   // A single address or a group: one attribute to the kernel.
                   Plain("remote", Form::kAddress, kInPlace, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6),
                   Plain("group", Form::kAddress, kInPlace, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6),
                   Plain("dev", Form::kDevice, kInPlace, IFLA_VXLAN_LINK),
                   Number("port", Form::kPort, kReplace, IFLA_VXLAN_PORT, 1),
                   Plain("learning", Form::kFlag, kInPlace, IFLA_VXLAN_LEARNING)}},
      Macvlan("macvlan"),
      Macvlan("macvtap"),
      {.name = "ipvlan",
       .over_link = true,
       .options = {Parent(), Counted("mode", Form::kWord16, kInPlace, IFLA_IPVLAN_MODE, {"l2", "l3", "l3s"})}},
      Bond(),
      {.name = "vrf", .has_mac = true, .options = {Number("table", Form::kU32, kReplace, IFLA_VRF_TABLE, 1)}},
      Gre("gre", false, false),
      Gre("gretap", true, false),
      Gre("ip6gre", false, true),
      Gre("ip6gretap", true, true),
      IpTunnel("ipip", false),
      IpTunnel("sit", false),
      IpTunnel("ip6tnl", true),
      Vti("vti", false),
      Vti("vti6", true),
      {.name = "geneve",
       .has_mac = true,
       .options = {Number("id", Form::kU32, kReplace, IFLA_GENEVE_ID, 0, (1 << 24) - 1),
                   Plain("remote", Form::kAddress, kInPlace, IFLA_GENEVE_REMOTE, IFLA_GENEVE_REMOTE6),
                   Plain("ttl", Form::kU8, kInPlace, IFLA_GENEVE_TTL),
                   Number("port", Form::kPort, kReplace, IFLA_GENEVE_PORT, 1)}},
      Macsec(),
      // Not by this message, but over generic netlink (kernel/wireguard.h).
      {.name = "wireguard",
       .options = {Number("listen_port", Form::kU16, kInPlace, 0, 1), Plain("public_key", Form::kKey, kInPlace, 0)}},
      Tun("tap"),
      Tun("tun"),
  };
  return types;
}

const LinkType* FindLinkType(std::string_view name) {
  const auto found = std::ranges::find(LinkTypes(), name, &LinkType::name);
  return found == LinkTypes().end() ? nullptr : &*found;
}

const LinkOption* FindLinkOption(std::string_view type, std::string_view option) {
  const LinkType* known = FindLinkType(type);
  if (known == nullptr) return nullptr;
  const auto found = std::ranges::find(known->options, option, &LinkOption::name);
  return found == known->options.end() ? nullptr : &*found;
}

std::optional<std::string> CanonicalLinkOption(const LinkOption& option, std::string_view value) {
  return RulesOf(option.form).canonical(option, value);
}

std::string LinkOptionValues(const LinkOption& option) { return RulesOf(option.form).values(option); }

std::vector<std::string> LinkOptionWords(const LinkOption& option) {
  std::vector<std::string> words;
  for (const LinkOption::Word& word : option.words) words.emplace_back(word.text);
  return words;
}

bool NeedsNewLink(const LinkOption& option, std::string_view before, std::string_view after) {
  if (option.change == LinkOption::Change::kReplace) return true;
  // macvlan: passthru has the parent for itself. An outer address of the other family is another tunnel.
  if (option.name == "mode") return before == "passthru" || after == "passthru";
  if (option.form != Form::kAddress || before.empty() || after.empty()) return false;
  return (before.find(':') == std::string_view::npos) != (after.find(':') == std::string_view::npos);
}

}  // namespace runner
