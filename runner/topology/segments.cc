#include "topology/segments.h"

#include <numeric>
#include <unordered_map>

namespace runner::validate {

Union::Union(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }

std::size_t Union::Add() {
  parent_.push_back(parent_.size());
  return parent_.size() - 1;
}

std::size_t Union::Root(std::size_t i) {
  while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
  return i;
}

void Union::Join(std::size_t a, std::size_t b) { parent_[Root(a)] = Root(b); }

Segments::Segments(const Topology& topology, const Index& index) : sets_(0) {
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

std::vector<std::vector<SegmentMember>> Segments::Lists() {
  std::unordered_map<std::size_t, std::size_t> place_of;
  std::vector<std::vector<SegmentMember>> lists;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const auto [found, is_new] = place_of.emplace(sets_.Root(i), lists.size());
    if (is_new) lists.emplace_back();
    lists[found->second].push_back(members_[i]);
  }
  return lists;
}

std::optional<std::size_t> Segments::Find(const Index& index, const Place& place, std::string_view name) const {
  const PlaceDevices* devices = index.Find(place);
  if (devices == nullptr) return std::nullopt;
  const auto found = devices->by_name.find(name);
  if (found == devices->by_name.end()) return std::nullopt;
  return first_.at(place) + found->second;
}

void Segments::JoinMaster(const Index& index, std::size_t i) {
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

std::size_t Segments::MasterSet(const Index& index, std::size_t master, const Device& port) {
  const Bridge* bridge = port.master_kind == MasterKind::kBridge ? index.FindBridge(port.master) : nullptr;
  if (bridge == nullptr || !bridge->vlan_filtering || !bridge->vlan_filtering->value) return master;
  if (port.end == nullptr || !port.end->vlans || !port.end->vlans->pvid || *port.end->vlans->pvid == 1) {
    return master;
  }
  return Tagged(master, *port.end->vlans->pvid);
}

std::size_t Segments::Tagged(std::size_t parent, std::uint16_t id) {
  const auto [found, is_new] = tagged_.emplace(std::pair(parent, id), 0);
  if (is_new) found->second = sets_.Add();
  return found->second;
}

void Segments::JoinVlans(const Index& index) {
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

}  // namespace runner::validate
