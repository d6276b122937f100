#include "kernel/keepsake.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/text.h"

namespace runner {
namespace {

std::string HexOf(const nlmsghdr& message) {
  const std::string_view bytes(reinterpret_cast<const char*>(&message), message.nlmsg_len);
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<std::uint8_t>(byte));
  return out;
}

/// Aligned as a message is; nothing where it is none.
std::optional<std::vector<nlmsghdr>> MessageFrom(const std::string& hex) {
  const std::size_t size = hex.size() / 2;
  if (hex.size() % 2 != 0 || size < sizeof(nlmsghdr)) return std::nullopt;
  std::vector<nlmsghdr> out((size + sizeof(nlmsghdr) - 1) / sizeof(nlmsghdr));
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  for (std::size_t i = 0; i < size; ++i) {
    const auto high = HexDigit(hex[2 * i]);
    const auto low = HexDigit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    bytes[i] = static_cast<unsigned char>(*high << 4 | *low);
  }
  if (out.front().nlmsg_len != size) return std::nullopt;
  return out;
}

bool IsWorthKeeping(const nlmsghdr& message, int index) {
  if (message.nlmsg_type == RTM_NEWADDR) {
    const auto* address = FixedPart<ifaddrmsg>(message);
    // A temporary address is made anew beside the one that it stands for.
    const auto attributes = NetlinkAttributes::Of(message, sizeof(ifaddrmsg), IFA_MAX);
    return address != nullptr && static_cast<int>(address->ifa_index) == index &&
           (address->ifa_family == AF_INET || (attributes.U32(IFA_FLAGS).value_or(0) & IFA_F_TEMPORARY) == 0);
  }
  const auto* route = FixedPart<rtmsg>(message);
  if (route == nullptr || message.nlmsg_type != RTM_NEWROUTE) return false;
  const bool made_by_kernel = route->rtm_protocol == RTPROT_KERNEL || route->rtm_protocol == RTPROT_REDIRECT ||
                              route->rtm_protocol == RTPROT_RA;
  const auto attributes = NetlinkAttributes::Of(message, sizeof(rtmsg), RTA_MAX);
  return !made_by_kernel && (route->rtm_flags & RTM_F_CLONED) == 0 && attributes.S32(RTA_OIF) == index;
}

template <class Header>
Status KeepAll(NetlinkSocket& socket, int type, const char* tried, int index, std::vector<std::string>& out) {
  NetlinkMessage question(type, 0);
  question.Append(Header{});
  return socket.Dump(question, tried, [&](const nlmsghdr& answer) -> Status {
    if (IsWorthKeeping(answer, index)) out.push_back(HexOf(answer));
    return {};
  });
}

/// The interface may have another number now.
void Renumber(nlmsghdr& message, int index) {
  auto* body = reinterpret_cast<char*>(&message + 1);
  if (message.nlmsg_type == RTM_NEWADDR) {
    reinterpret_cast<ifaddrmsg*>(body)->ifa_index = static_cast<std::uint32_t>(index);
    return;
  }
  auto* route = reinterpret_cast<rtmsg*>(body);
  // What the kernel says of the hop's state is not for it to be told.
  route->rtm_flags &= RTNH_F_ONLINK;
  const std::string_view oif = NetlinkAttributes::Of(message, sizeof(rtmsg), RTA_MAX).Bytes(RTA_OIF);
  std::memcpy(const_cast<char*>(oif.data()), &index, std::min(oif.size(), sizeof index));
}

Status GiveOne(NetlinkSocket& socket, int index, nlmsghdr& message) {
  Renumber(message, index);
  NetlinkMessage request(message.nlmsg_type, NLM_F_CREATE | NLM_F_EXCL);
  request.AppendWhole({reinterpret_cast<const char*>(&message + 1), message.nlmsg_len - sizeof message});
  const bool is_address = message.nlmsg_type == RTM_NEWADDR;
  Status given = socket.Request(request, is_address ? "give an address back" : "give a route back");
  return !given.ok() && given.error().code == EEXIST ? Status() : given;
}

/// Addresses, then what reaches gateways, then what goes through them.
int Turn(const nlmsghdr& message) {
  if (message.nlmsg_type == RTM_NEWADDR) return 0;
  const auto attributes = NetlinkAttributes::Of(message, sizeof(rtmsg), RTA_MAX);
  return attributes.Has(RTA_GATEWAY) || attributes.Has(RTA_VIA) ? 2 : 1;
}

}  // namespace

Result<std::vector<std::string>> Keep(NetlinkSocket& socket, int index) {
  std::vector<std::string> out;
  TRY(KeepAll<ifaddrmsg>(socket, RTM_GETADDR, "read addresses", index, out));
  TRY(KeepAll<rtmsg>(socket, RTM_GETROUTE, "read routes", index, out));
  return out;
}

Errors GiveBack(NetlinkSocket& socket, int index, const std::vector<std::string>& kept) {
  std::vector<std::vector<nlmsghdr>> messages;
  Errors errors;
  for (const std::string& hex : kept) {
    if (auto message = MessageFrom(hex)) {
      messages.push_back(std::move(*message));
    } else {
      errors.push_back(Fail("give an address or a route back", "what was kept of it cannot be read"));
    }
  }
  std::ranges::stable_sort(messages, {}, [](const auto& message) { return Turn(message.front()); });
  for (auto& message : messages) {
    if (Status given = GiveOne(socket, index, message.front()); !given.ok()) {
      errors.push_back(std::move(given).error());
    }
  }
  return errors;
}

}  // namespace runner
