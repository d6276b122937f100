// What shares a wire: a cable's two ends, or a bridge with all that is attached. On one segment an address and a
// MAC belong to one interface only.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/segments.h"

namespace runner::validate {
namespace {

void CheckAddresses(const std::vector<SegmentMember>& segment, Findings& findings) {
  std::map<IpAddress, std::pair<const SegmentMember*, const Address*>> owners;
  for (const SegmentMember& member : segment) {
    if (member.device->interface == nullptr) continue;
    for (const Address& address : member.device->interface->addresses) {
      const auto [first, is_new] = owners.emplace(address.prefix.address(), std::pair(&member, &address));
      // Twice in one node is told by the node's own check.
      if (is_new || first->second.first->place == member.place) continue;
      const SegmentMember& other = *first->second.first;
      findings.Wrong(
          address.at, DeviceName(member.place->place, *member.device), {},
          fmt::format("address {} is taken on this segment: {} has it on {}", address.prefix.address().text(),
                      PlaceName(other.place->place), Quote(other.device->name)),
          {{first->second.second->at, "first here", {}}});
    }
  }
}

void CheckMacs(const std::vector<SegmentMember>& segment, Findings& findings) {
  std::map<MacAddress, const SegmentMember*> owners;
  for (const SegmentMember& member : segment) {
    const Interface* interface = member.device->interface;
    // Ports pass frames of others on; a bond's members share a MAC, an ipvlan has its parent's.
    if (interface == nullptr || !interface->mac || member.device->is_port()) continue;
    if (!std::holds_alternative<Given>(interface->type)) continue;
    const auto [first, is_new] = owners.emplace(interface->mac->value, &member);
    if (is_new || first->second->place == member.place) continue;
    findings.Wrong(interface->mac->at, DeviceName(member.place->place, *member.device), {},
                   fmt::format("mac {} is taken on this segment: {} has it on {}", interface->mac->value.text(),
                               PlaceName(first->second->place->place), Quote(first->second->device->name)),
                   {{first->second->device->interface->mac->at, "first here", {}}});
  }
}

/// How many ends of a segment speak a family: they resolve each other's addresses.
std::size_t CountSpeakers(const std::vector<SegmentMember>& segment, Family family) {
  return static_cast<std::size_t>(std::ranges::count_if(segment, [family](const SegmentMember& member) {
    if (member.device->interface == nullptr) return false;
    return std::ranges::any_of(member.device->interface->addresses,
                               [family](const Address& address) { return address.prefix.family() == family; });
  }));
}

/// All namespaces share the host's neighbour tables. At the least each end knows one neighbour and one end knows
/// all of them, as with hosts that talk to their gateway only.
void CheckNeighbourTable(const std::vector<std::vector<SegmentMember>>& segments, Family family, Findings& findings) {
  constexpr std::size_t kDefaultLimit = 1024;
  std::size_t entries = 0;
  std::size_t biggest_size = 0;
  const std::vector<SegmentMember>* biggest = nullptr;
  for (const auto& segment : segments) {
    const std::size_t speakers = CountSpeakers(segment, family);
    if (speakers < 2) continue;
    entries += 2 * (speakers - 1);
    if (speakers > biggest_size) {
      biggest_size = speakers;
      biggest = &segment;
    }
  }
  if (entries <= kDefaultLimit || biggest == nullptr) return;
  const auto shown = std::ranges::find_if(*biggest, [](const SegmentMember& m) { return m.device->bridge != nullptr; });
  const SegmentMember& member = shown == biggest->end() ? biggest->front() : *shown;
  const std::string_view net = family == Family::kIpv4 ? "ipv4" : "ipv6";
  findings.Warn(
      member.device->at(), {}, {},
      fmt::format("all nodes share the host's table of {} neighbours, and this topology needs {} entries or "
                  "more, {} of them here; where net.{}.neigh.default.gc_thresh3 is the default {}, "
                  "raise it",
                  family == Family::kIpv4 ? "IPv4" : "IPv6", entries, 2 * (biggest_size - 1), net, kDefaultLimit));
}

}  // namespace

void CheckSegments(const Topology& topology, const Index& index, Findings& findings) {
  const auto segments = Segments(topology, index).Lists();
  for (const auto& segment : segments) {
    if (segment.size() < 2) continue;
    CheckAddresses(segment, findings);
    CheckMacs(segment, findings);
  }
  CheckNeighbourTable(segments, Family::kIpv4, findings);
  CheckNeighbourTable(segments, Family::kIpv6, findings);
}

}  // namespace runner::validate
