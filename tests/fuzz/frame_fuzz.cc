// Frames of a hostile lab through all that looks at them before libslirp: the parser, the filter, the fragments, DNS
// queries, and the offload header in both directions. The first byte chooses, the rest is the frame.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "uplink/dns_message.h"
#include "uplink/frame_filter.h"
#include "uplink/offload.h"
#include "uplink/reassembly.h"

namespace runner {
namespace {

// A fault that no sanitizer would see.
void Must(bool holds) {
  if (!holds) std::abort();
}

void Judge(std::vector<std::uint8_t> frame) {
  static const FrameFilter filter = [] {
    UplinkSpec spec;
    spec.ipv6 = IpPrefix::Parse("fd00::/64");
    return FrameFilter(spec, {});
  }();
  Packet packet;
  if (ParseFrame(frame, packet) != Verdict::kPass) return;
  Must(packet.frame.size() <= frame.size());
  if (packet.is_ip()) Must(packet.l4 + 8 <= packet.frame.size());
  if (filter.Check(packet) != Verdict::kPass) return;
  const IpAddress& to = packet.destination;
  Must(!packet.is_ip() || packet.protocol == kProtoIcmp6 || !(to.is_loopback() || to.is_unspecified()));
  if (packet.protocol == kProtoTcp) Must((packet.l4_bytes()[13] & 0x20) == 0);
  if (packet.protocol == kProtoUdp && filter.IsDns(packet)) {
    const auto query = packet.udp_payload();
    if (const auto question = ParseDnsQuery(query)) {
      const auto answer = DnsAnswer(query, *question, {IpAddress(), *IpAddress::Parse("::1")});
      Must(answer.size() >= question->end);
      IsReplyTo(query, question->id, answer, *question);
    }
  }
}

void Run(std::span<const std::uint8_t> input) {
  if (input.empty()) return;
  const std::uint8_t choice = input[0];
  std::vector<std::uint8_t> frame(input.begin() + 1, input.end());
  VnetHeader header;
  if (choice % 4 == 1 && frame.size() >= sizeof header) {
    std::memcpy(&header, frame.data(), sizeof header);
    frame.erase(frame.begin(), frame.begin() + sizeof header);
    if (!CompleteChecksum(header, frame)) return;
  }
  if (choice % 4 == 2 && frame.size() >= kEthernetHeader) {
    const VnetHeader made = PrepareOffload(frame, {.mtu = 40 + choice * 16U});
    Must(made.headers <= frame.size());
    Must(CompleteChecksum(made, frame));
  }
  if (choice % 4 == 3) {
    // The input as many fragments of one length each.
    Reassembler reassembler;
    const std::size_t step = 24 + choice;
    for (std::size_t at = 0; at < frame.size(); at += step) {
      const auto part = std::span(frame).subspan(at, std::min(step, frame.size() - at));
      if (auto whole = reassembler.Take(part, static_cast<std::int64_t>(at))) Judge(std::move(*whole));
      Must(reassembler.pending() <= Reassembler::kMostDatagrams);
    }
  }
  Judge(std::move(frame));
}

}  // namespace
}  // namespace runner

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  runner::Run({data, size});
  return 0;
}
