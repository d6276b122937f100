// What shares a wire: a cable's two ends, or a bridge with all that is attached. On one segment an address and a
// MAC belong to one interface only.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/text.h"
#include "topology/validate_index.h"

namespace runner::validate {
namespace {

/// Disjoint sets of devices.
class Union {
 public:
  explicit Union(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
  std::size_t Add() {
    parent_.push_back(parent_.size());
    return parent_.size() - 1;
  }
  std::size_t Root(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void Join(std::size_t a, std::size_t b) { parent_[Root(a)] = Root(b); }

 private:
  std::vector<std::size_t> parent_;
};

struct Member {
  const PlaceDevices* place;
  const Device* device;
};

/// Which devices stand on one segment.
class Segments {
 public:
  Segments(const Topology& topology, const Index& index) : sets_(0) {
    for (const PlaceDevices& place : index.places()) {
      first_.emplace(place.place, sets_end_);
      for (const Device& device : place.devices) {
        members_.push_back({&place, &device});
        sets_.Add();
        ++sets_end_;
      }
    }
    for (const Link& link : topology.links) {
      const auto a = Find(index, link.a.place, link.a.interface);
      const auto b = Find(index, link.b.place, link.b.interface);
      if (a && b) sets_.Join(*a, *b);
    }
    for (std::size_t i = 0; i < members_.size(); ++i) JoinMaster(index, i);
    JoinVlans(index);
  }

  /// Members by segment, each list in file order.
  std::vector<std::vector<Member>> Lists() {
    std::unordered_map<std::size_t, std::size_t> place_of;
    std::vector<std::vector<Member>> lists;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      const auto [found, is_new] = place_of.emplace(sets_.Root(i), lists.size());
      if (is_new) lists.emplace_back();
      lists[found->second].push_back(members_[i]);
    }
    return lists;
  }

 private:
  std::optional<std::size_t> Find(const Index& index, const Place& place, std::string_view name) const {
    const PlaceDevices* devices = index.Find(place);
    if (devices == nullptr) return std::nullopt;
    const auto found = devices->by_name.find(name);
    if (found == devices->by_name.end()) return std::nullopt;
    return first_.at(place) + found->second;
  }

  void JoinMaster(const Index& index, std::size_t i) {
    const auto [place, device] = members_[i];
    if (device->is_port()) {
      if (const auto master = Find(index, place->place, device->master)) {
        sets_.Join(i, MasterSet(index, *master, *device));
      }
    }
    if (device->interface == nullptr) return;
    const ParentDevice* parent = nullptr;
    if (const auto* macvlan = std::get_if<Macvlan>(&device->interface->type)) parent = &macvlan->link;
    if (const auto* ipvlan = std::get_if<Ipvlan>(&device->interface->type)) parent = &ipvlan->link;
    if (parent == nullptr || parent->on_host) return;
    if (const auto other = Find(index, place->place, parent->name)) sets_.Join(i, *other);
  }

  /// A port of a filtering bridge hears the VLAN that it is in untagged.
  std::size_t MasterSet(const Index& index, std::size_t master, const Device& port) {
    const Bridge* bridge = port.master_kind == MasterKind::kBridge ? index.FindBridge(port.master) : nullptr;
    if (bridge == nullptr || !bridge->vlan_filtering || !bridge->vlan_filtering->value) return master;
    if (port.end == nullptr || !port.end->vlans || !port.end->vlans->pvid || *port.end->vlans->pvid == 1) {
      return master;
    }
    return Tagged(master, *port.end->vlans->pvid);
  }

  std::size_t Tagged(std::size_t parent, std::uint16_t id) {
    const auto [found, is_new] = tagged_.emplace(std::pair(parent, id), 0);
    if (is_new) found->second = sets_.Add();
    return found->second;
  }

  void JoinVlans(const Index& index) {
    std::vector<std::pair<std::size_t, std::size_t>> joins;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      const auto [place, device] = members_[i];
      if (device->interface == nullptr) continue;
      const auto* vlan = std::get_if<Vlan>(&device->interface->type);
      if (vlan == nullptr || vlan->link.on_host) continue;
      if (const auto parent = Find(index, place->place, vlan->link.name)) {
        joins.emplace_back(i, Tagged(sets_.Root(*parent), vlan->id));
      }
    }
    for (const auto& [a, b] : joins) sets_.Join(a, b);
  }

  std::vector<Member> members_;
  std::map<Place, std::size_t> first_;
  std::size_t sets_end_ = 0;
  Union sets_;
  std::map<std::pair<std::size_t, std::uint16_t>, std::size_t> tagged_;
};

void CheckAddresses(const std::vector<Member>& segment, Findings& findings) {
  std::map<IpAddress, std::pair<const Member*, const Address*>> owners;
  for (const Member& member : segment) {
    if (member.device->interface == nullptr) continue;
    for (const Address& address : member.device->interface->addresses) {
      const auto [first, is_new] = owners.emplace(address.prefix.address(), std::pair(&member, &address));
      // Twice in one node is told by the node's own check.
      if (is_new || first->second.first->place == member.place) continue;
      const Member& other = *first->second.first;
      findings.Wrong(
          address.at, DeviceName(member.place->place, *member.device), {},
          fmt::format("address {} is taken on this segment: {} has it on {}", address.prefix.address().text(),
                      PlaceName(other.place->place), Quote(other.device->name)),
          {{first->second.second->at, "first here", {}}});
    }
  }
}

void CheckMacs(const std::vector<Member>& segment, Findings& findings) {
  std::map<MacAddress, const Member*> owners;
  for (const Member& member : segment) {
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
std::size_t CountSpeakers(const std::vector<Member>& segment, Family family) {
  return static_cast<std::size_t>(std::ranges::count_if(segment, [family](const Member& member) {
    if (member.device->interface == nullptr) return false;
    return std::ranges::any_of(member.device->interface->addresses,
                               [family](const Address& address) { return address.prefix.family() == family; });
  }));
}

/// All namespaces share the host's neighbour tables. At the least each end knows one neighbour and one end knows
/// all of them, as with hosts that talk to their gateway only.
void CheckNeighbourTable(const std::vector<std::vector<Member>>& segments, Family family, Findings& findings) {
  constexpr std::size_t kDefaultLimit = 1024;
  std::size_t entries = 0;
  std::size_t biggest_size = 0;
  const std::vector<Member>* biggest = nullptr;
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
  const auto shown = std::ranges::find_if(*biggest, [](const Member& m) { return m.device->bridge != nullptr; });
  const Member& member = shown == biggest->end() ? biggest->front() : *shown;
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
