#include "kernel/dad.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kernel/address.h"
#include "kernel/link.h"

namespace runner {
namespace {

using Clock = std::chrono::steady_clock;

/// A socket in the namespace that becomes readable when an IPv6 address or a link changes.
Result<Fd> Subscribe(const Namespace& place) {
  const InNamespace inside = TRY(InNamespace::Enter(place));
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_IPV6_IFADDR | RTMGRP_LINK;
  if (!fd.is_open() || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return SystemError(errno, "listen for address changes");
  }
  return fd;
}

DadOutcome Judge(const DadQuestion& question, const std::vector<AddressInfo>& addresses,
                 const std::vector<LinkInfo>& links) {
  const auto found = std::ranges::find_if(addresses, [&](const AddressInfo& info) {
    return info.index == question.index && info.prefix == question.prefix;
  });
  if (found == addresses.end()) return DadOutcome::kGone;
  if (found->dad_failed) return DadOutcome::kDuplicate;
  if (!found->tentative) return DadOutcome::kUnique;
  const auto link = std::ranges::find(links, question.index, &LinkInfo::index);
  return link != links.end() && !link->carrier ? DadOutcome::kNoCarrier : DadOutcome::kPending;
}

/// What is announced is only that something changed: the state itself is read anew.
Status WaitForNews(const Fd& news, Clock::time_point limit) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - Clock::now());
  pollfd waiting{.fd = news.get(), .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) < 0) {
    return SystemError(errno, "wait for duplicate address detection");
  }
  std::array<char, 8192> dropped;
  // Until it is empty. ENOBUFS is news too.
  while (recv(news.get(), dropped.data(), dropped.size(), 0) > 0) {
  }
  return {};
}

}  // namespace

Result<std::vector<DadOutcome>> WaitForDad(const Namespace& place, const std::vector<DadQuestion>& questions,
                                           Clock::time_point limit) {
  // Subscribed before the first look: what happens in between is not missed.
  const Fd news = TRY(Subscribe(place));
  NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(place));
  std::vector<DadOutcome> outcomes;
  while (true) {
    const auto links = TRY(ReadLinks(socket));
    const auto addresses = TRY(ReadAddresses(socket));
    outcomes.clear();
    for (const DadQuestion& question : questions) outcomes.push_back(Judge(question, addresses, links));
    const bool pending = std::ranges::find(outcomes, DadOutcome::kPending) != outcomes.end();
    if (!pending || Clock::now() >= limit) return outcomes;
    TRY(WaitForNews(news, limit));
  }
}

}  // namespace runner
