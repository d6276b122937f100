#include "kernel/monitor.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace runner {
namespace {

// Neighbours are left out: those that the kernel finds by itself come and go all the time.
constexpr std::array kGroups = {RTNLGRP_LINK,         RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                                RTNLGRP_IPV6_ROUTE,   RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,   RTNLGRP_IPV4_NETCONF,
                                RTNLGRP_IPV6_NETCONF, RTNLGRP_NSID};

bool Set(const Fd& fd, int option, int value) {
  return setsockopt(fd.get(), SOL_NETLINK, option, &value, sizeof value) == 0;
}

bool Subscribe(const Fd& fd) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  // Without an address nothing is announced to a socket, whatever its groups.
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
  if (!Set(fd, NETLINK_LISTEN_ALL_NSID, 1)) return false;
  for (const int group : kGroups) {
    if (!Set(fd, NETLINK_ADD_MEMBERSHIP, group)) return false;
  }
  return true;
}

/// The number of the namespace that the message comes from; nothing for the socket's own.
std::optional<int> PlaceOf(msghdr& header) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_NETLINK || control->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
    int number = 0;
    std::memcpy(&number, CMSG_DATA(control), sizeof number);
    return number;
  }
  return std::nullopt;
}

}  // namespace

Result<Monitor> Monitor::Open() {
  const InNamespace own = TRY(InNamespace::EnterNew());
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd.is_open() || !Subscribe(fd)) return SystemError(errno, "listen for changes");
  return Monitor(std::move(fd));
}

Result<int> Monitor::NumberOf(const Namespace& place) {
  NetlinkMessage message(RTM_GETNSID, 0);
  message.Append(rtgenmsg{});
  message.PutU32(NETNSA_FD, static_cast<std::uint32_t>(place.fd()));
  int number = NETNSA_NSID_NOT_ASSIGNED;
  TRY(requests_->Get(message, "listen for changes", [&number](const nlmsghdr& answer) -> Status {
    const auto attributes = NetlinkAttributes::Of(answer, NLMSG_ALIGN(sizeof(rtgenmsg)), NETNSA_MAX);
    number = attributes.S32(NETNSA_NSID).value_or(number);
    return {};
  }));
  return number;
}

Result<int> Monitor::Follow(const Namespace& place) {
  if (!requests_) {
    const Namespace own = TRY(Namespace::OfSocket(fd_.get()));
    requests_ = TRY(NetlinkSocket::OpenIn(own));
  }
  if (const int number = TRY(NumberOf(place)); number != NETNSA_NSID_NOT_ASSIGNED) return number;
  NetlinkMessage message(RTM_NEWNSID, 0);
  message.Append(rtgenmsg{});
  message.PutU32(NETNSA_FD, static_cast<std::uint32_t>(place.fd()));
  message.PutU32(NETNSA_NSID, static_cast<std::uint32_t>(NETNSA_NSID_NOT_ASSIGNED));  // the kernel chooses
  TRY(requests_->Request(message, "listen for changes"));
  return NumberOf(place);
}

Result<Monitor::News> Monitor::TakeNews() {
  News news;
  alignas(nlmsghdr) std::array<char, 4096> data;  // Only the first message's type is looked at.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
  while (true) {
    iovec part{.iov_base = data.data(), .iov_len = data.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd_.get(), &header, 0);
    if (size < 0) {
      if (errno == EAGAIN) return news;
      if (errno != ENOBUFS && errno != EINTR) return SystemError(errno, "listen for changes");
      news.anywhere = news.anywhere || errno == ENOBUFS;
    } else if (const auto place = PlaceOf(header)) {
      news.places.insert(*place);
    } else if (reinterpret_cast<const nlmsghdr*>(data.data())->nlmsg_type == RTM_DELNSID) {
      news.anywhere = true;
    }
  }
}

}  // namespace runner
