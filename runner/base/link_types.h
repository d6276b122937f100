// The types of interfaces that the kernel makes by name (ip-link(8)) and their settings: how each is written, where it
// stands in IFLA_INFO_DATA (linux/if_link.h), and whether the kernel changes it on an interface that stands. The
// loader, the plan, the messages to the kernel and docs/kinds.md all read this table.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runner {

struct LinkOption {
  /// How the value is written, and how the kernel takes it.
  enum class Form {
    kU8,
    kU16,
    kU32,
    kPort,         // a number, in network byte order
    kFlag,         // on, off; a u8
    kWord8,        // one of `words`, as a u8
    kWord16,       // as a u16
    kWord32,       // as a u32
    kWordBe16,     // as a number in network byte order
    kWord64,       // as a u64
    kChannel,      // a secure channel (macsec): a MAC address and a port, as 16 hexadecimal digits
    kChannelPort,  // the port alone; the kernel tells it with the channel, `attribute6`
    kAddress,      // `attribute` for IPv4, `attribute6` for IPv6; 0: not of that family
    kAddresses,    // a list, comma separated
    kMac,
    kDevice,   // another interface, by its name; to the kernel its index
    kTunKey,   // a key of both directions, and the flags that say so
    kTunUser,  // who may open a tap or tun: a name or a number
    kKey,      // a public key of wireguard
  };
  enum class Change {
    kInPlace,  // the kernel changes it on an interface that stands
    kReplace   // another value needs another interface
  };
  /// A word and the number that it stands for.
  struct Word {
    std::string_view text;
    std::uint64_t number;
  };
  std::string_view name;
  Form form = Form::kU32;
  Change change = Change::kInPlace;
  int attribute = 0;  // IFLA_<TYPE>_…; 0: not in IFLA_INFO_DATA
  int attribute6 = 0;
  std::vector<Word> words = {};
  std::int64_t least = 0;
  std::int64_t most = 0;  // 0: what the form holds
};

struct LinkType {
  std::string_view name;   // as `type:` and IFLA_INFO_KIND say it
  bool has_mac = false;    // an Ethernet device with an address of its own
  bool over_link = false;  // stands on another interface that IFLA_LINK names: its option `link`
  /// A change must tell all settings: what it leaves out falls back to the kernel's default.
  bool changed_whole = false;
  std::vector<LinkOption> options = {};
};

const std::vector<LinkType>& LinkTypes();
/// Null for a type that is made otherwise (veth, bridge, physical), or not at all.
const LinkType* FindLinkType(std::string_view name);
const LinkOption* FindLinkOption(std::string_view type, std::string_view option);

/// `value` as the kernel's answer is written ("on", "802.3ad", "3"): equal settings are equal texts. Nothing where it
/// is no value for the option; LinkOptionValues says what would be.
std::optional<std::string> CanonicalLinkOption(const LinkOption& option, std::string_view value);
/// "one of slow, fast", "a number from 1 to 4094".
std::string LinkOptionValues(const LinkOption& option);
/// The words that an option takes.
std::vector<std::string> LinkOptionWords(const LinkOption& option);

/// Whether going from one value to the other needs a new interface.
bool NeedsNewLink(const LinkOption& option, std::string_view before, std::string_view after);

}  // namespace runner
