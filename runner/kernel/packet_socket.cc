#include "kernel/packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace runner {
namespace {

constexpr std::size_t kAddresses = 12;  // of an Ethernet head: both, before the VLAN's tag
constexpr std::size_t kTag = 4;
// A burst of small packets fits; who is not root has what the kernel allows everybody.
constexpr int kQueue = 1 << 20;

Status SetOptions(int socket, std::uint32_t most) {
  const int on = 1;
  if (setsockopt(socket, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0 ||
      setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
    return SystemError(errno, "set up a packet socket");
  }
  // A longer packet is cut before it takes room in the queue.
  sock_filter cut{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = most};
  const sock_fprog program{.len = 1, .filter = &cut};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    return SystemError(errno, "set up a packet socket");
  }
  // Without it more is lost, and counted.
  if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &kQueue, sizeof kQueue) != 0) {
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kQueue, sizeof kQueue);
  }
  return {};
}

/// What the kernel tells beside a packet.
struct Beside {
  std::int64_t time = 0;
  tpacket_auxdata data = {};
};

Beside ReadBeside(msghdr& message) {
  Beside beside;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
      timespec time = {};
      std::memcpy(&time, CMSG_DATA(part), sizeof time);
      beside.time = std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    } else if (part->cmsg_level == SOL_PACKET && part->cmsg_type == PACKET_AUXDATA) {
      std::memcpy(&beside.data, CMSG_DATA(part), sizeof beside.data);
    }
  }
  return beside;
}

void AddBigEndian(std::uint16_t number, std::string& to) {
  to += static_cast<char>(number >> 8);
  to += static_cast<char>(number & 0xff);
}

/// The kernel keeps a VLAN's tag apart from the frame.
void PutBackTag(const tpacket_auxdata& data, PassedPacket& packet) {
  if ((data.tp_status & TP_STATUS_VLAN_VALID) == 0 || packet.bytes.size() < kAddresses) return;
  std::string tag;
  AddBigEndian((data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? data.tp_vlan_tpid : std::uint16_t{ETH_P_8021Q}, tag);
  AddBigEndian(data.tp_vlan_tci, tag);
  packet.bytes.insert(kAddresses, tag);
  packet.length += kTag;
}

/// The head of LINKTYPE_LINUX_SLL in place of whatever stands before the network's.
void Cook(const tpacket_auxdata& data, const sockaddr_ll& from, PassedPacket& packet) {
  std::string head;
  AddBigEndian(from.sll_pkttype, head);
  AddBigEndian(from.sll_hatype, head);
  AddBigEndian(from.sll_halen, head);
  head.append(reinterpret_cast<const char*>(from.sll_addr), sizeof from.sll_addr);
  AddBigEndian(ntohs(from.sll_protocol), head);
  const std::uint32_t skip = std::min<std::uint32_t>(data.tp_net, packet.length);
  packet.bytes.replace(0, std::min<std::size_t>(skip, packet.bytes.size()), head);
  packet.length += static_cast<std::uint32_t>(head.size()) - skip;
}

}  // namespace

Result<PacketSocket> PacketSocket::Open(int interface_index, std::uint32_t most) {
  // Without a protocol, it hears nothing before it is bound.
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return SystemError(errno, "open a packet socket");
  TRY(SetOptions(fd.get(), most));
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = interface_index;
  socklen_t size = sizeof address;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return SystemError(errno, "bind a packet socket");
  }
  const bool is_loopback = address.sll_hatype == ARPHRD_LOOPBACK;
  const PacketHead head =
      is_loopback || address.sll_hatype == ARPHRD_ETHER ? PacketHead::kEthernet : PacketHead::kCooked;
  return PacketSocket(std::move(fd), head, is_loopback, most);
}

std::optional<PassedPacket> PacketSocket::Take() {
  std::string buffer(most_, '\0');
  while (true) {
    alignas(cmsghdr) std::array<char, 256> control = {};
    sockaddr_ll from = {};
    iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message = {};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    // An interface that went down, or away, is told once between its packets.
    if (got < 0 && (errno == ENETDOWN || errno == EINTR)) continue;
    if (got < 0) return std::nullopt;
    if (is_loopback_ && from.sll_pkttype == PACKET_OUTGOING) continue;
    const Beside beside = ReadBeside(message);
    PassedPacket packet{.time = beside.time,
                        .length = beside.data.tp_len,
                        .is_outgoing = from.sll_pkttype == PACKET_OUTGOING,
                        .bytes = buffer.substr(0, static_cast<std::size_t>(got))};
    if (head_ == PacketHead::kCooked) {
      Cook(beside.data, from, packet);
    } else {
      PutBackTag(beside.data, packet);
    }
    return packet;
  }
}

std::uint32_t PacketSocket::TakeLost() {
  tpacket_stats stats = {};
  socklen_t size = sizeof stats;
  if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) return 0;
  return stats.tp_drops;
}

}  // namespace runner
