#include "uplink/packet_end.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "kernel/netns.h"
#include "uplink/tap.h"

namespace runner {
namespace {

// Room for a window of every connection; a full queue drops frames, where a tap's would hold its senders back.
constexpr int kQueue = 8 << 20;

ifreq Request(const std::string& name) {
  ifreq request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

void SetBuffer(int socket, int forced, int allowed) {
  // Beyond the machine's limit only root may, and not the root of a user namespace.
  if (setsockopt(socket, SOL_SOCKET, forced, &kQueue, sizeof kQueue) == 0) return;
  setsockopt(socket, SOL_SOCKET, allowed, &kQueue, sizeof kQueue);
}

// The kernel takes a VLAN's tag out of the frame: without it the frame would be taken for one of the lab's own network.
Status RefuseTagged(int socket) {
  constexpr auto kTagged = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT);
  std::array<sock_filter, 4> code = {{BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kTagged),
                                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_RET | BPF_K, ~0U),
                                      BPF_STMT(BPF_RET | BPF_K, 0)}};
  const sock_fprog program = {.len = code.size(), .filter = code.data()};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    return SystemError(errno, "refuse tagged frames");
  }
  return {};
}

Status Bind(const Fd& socket, const std::string& name) {
  ifreq request = Request(name);
  if (ioctl(socket.get(), SIOCGIFINDEX, &request) != 0) {
    return SystemError(errno, fmt::format("find the far end of \"{}\"", name));
  }
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = request.ifr_ifindex;
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return SystemError(errno, fmt::format("listen on the far end of \"{}\"", name));
  }
  return {};
}

Status Ethtool(int socket, const std::string& name, void* command) {
  ifreq request = Request(name);
  request.ifr_data = static_cast<char*>(command);
  if (ioctl(socket, SIOCETHTOOL, &request) < 0) {
    return SystemError(errno, fmt::format("limit the offloads of \"{}\"", name));
  }
  return {};
}

// A command of ethtool with the words that follow it.
template <class Header>
struct Command {
  explicit Command(std::size_t more) : bytes(sizeof(Header) + more) {}
  Header* operator->() { return reinterpret_cast<Header*>(bytes.data()); }
  std::uint8_t* rest() { return bytes.data() + sizeof(Header); }
  std::vector<std::uint8_t> bytes;
};

/// The names of all features that the kernel knows, at their numbers.
Result<std::vector<std::string>> FeatureNames(int socket, const std::string& interface) {
  Command<ethtool_sset_info> info(sizeof(std::uint32_t));
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ULL << ETH_SS_FEATURES;
  TRY(Ethtool(socket, interface, info.bytes.data()));
  std::uint32_t count = 0;
  std::memcpy(&count, info.rest(), sizeof count);
  Command<ethtool_gstrings> strings(std::size_t{count} * ETH_GSTRING_LEN);
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = count;
  TRY(Ethtool(socket, interface, strings.bytes.data()));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* name = reinterpret_cast<const char*>(strings.rest() + i * ETH_GSTRING_LEN);
    names.emplace_back(name, strnlen(name, ETH_GSTRING_LEN));
  }
  return names;
}

bool IsBeyondATap(std::string_view feature) {
  constexpr std::array kNotNeeded = {"tx-gso-list", "tx-gso-partial", "tx-checksum-sctp"};
  constexpr std::array kOfATap = {"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-generic-segmentation"};
  if (std::ranges::find(kNotNeeded, feature) != kNotNeeded.end()) return true;
  return feature.ends_with("-segmentation") && std::ranges::find(kOfATap, feature) == kOfATap.end();
}

}  // namespace

Result<Fd> OpenPacketEnd(int netns, const std::string& name) {
  const auto inside = TRY(InNamespace::Enter(netns));
  // Of no protocol until it is bound: else it would begin with the frames of every interface.
  Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return SystemError(errno, "open a packet socket");
  const int on = 1;
  for (const int option : {PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING}) {
    if (setsockopt(socket.get(), SOL_PACKET, option, &on, sizeof on) != 0) {
      return SystemError(errno, "prepare a packet socket");
    }
  }
  SetBuffer(socket.get(), SO_RCVBUFFORCE, SO_RCVBUF);
  SetBuffer(socket.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  TRY(RefuseTagged(socket.get()));
  TRY(Bind(socket, name));
  return socket;
}

Status LimitOffloads(int netns, const std::string& name) {
  const auto inside = TRY(InNamespace::Enter(netns));
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SystemError(errno, "open a socket");
  const auto names = TRY(FeatureNames(socket.get(), name));
  const std::size_t blocks = (names.size() + 31) / 32;
  Command<ethtool_sfeatures> wanted(blocks * sizeof(ethtool_set_features_block));
  wanted->cmd = ETHTOOL_SFEATURES;
  wanted->size = static_cast<std::uint32_t>(blocks);
  auto* block = reinterpret_cast<ethtool_set_features_block*>(wanted.rest());
  for (std::size_t i = 0; i < names.size(); ++i) {
    // Valid, and not requested: off. What the interface does not have is passed over.
    if (IsBeyondATap(names[i])) block[i / 32].valid |= 1U << i % 32;
  }
  return Ethtool(socket.get(), name, wanted.bytes.data());
}

}  // namespace runner
