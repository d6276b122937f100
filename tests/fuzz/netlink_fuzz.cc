// Any bytes as what the kernel tells of links, addresses, routes, rules and neighbours: no crash. The first byte
// chooses what is asked for; the rest is the body of one message of the answer.
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "kernel/address.h"
#include "kernel/link.h"
#include "kernel/neighbour.h"
#include "kernel/route.h"
#include "kernel/rule.h"

namespace {

constexpr int kKinds = 5;
constexpr std::uint16_t kTypes[kKinds] = {RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWRULE, RTM_NEWNEIGH};
constexpr std::uint32_t kDumps = 4;  // as many as one reading asks for at most

void Append(std::string& out, std::uint16_t type, std::uint32_t sequence, std::string_view body) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_MULTI;
  header.nlmsg_seq = sequence;
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
  out.append(body);
  out.resize(NLMSG_ALIGN(out.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kLongest = 4096;
  if (size < 1) return 0;
  const int kind = data[0] % kKinds;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, std::min(size - 1, kLongest));
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    std::perror("socketpair");
    std::abort();
  }
  const runner::Fd kernel(pair[1]);
  runner::NetlinkSocket socket = runner::NetlinkSocket::Adopt(runner::Fd(pair[0]));
  for (std::uint32_t sequence = 1; sequence <= kDumps; ++sequence) {
    std::string answer;
    Append(answer, kTypes[kind], sequence, body);
    const int done = 0;
    Append(answer, NLMSG_DONE, sequence, std::string_view(reinterpret_cast<const char*>(&done), sizeof done));
    if (send(kernel.get(), answer.data(), answer.size(), 0) < 0) std::abort();
  }
  switch (kind) {
    case 0:
      (void)runner::ReadLinks(socket);
      break;
    case 1:
      (void)runner::ReadAddresses(socket);
      break;
    case 2:
      (void)runner::ReadRoutes(socket);
      break;
    case 3:
      (void)runner::ReadRules(socket);
      break;
    default:
      (void)runner::ReadNeighbours(socket);
      break;
  }
  return 0;
}
