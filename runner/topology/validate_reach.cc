#include "topology/validate_reach.h"

namespace runner::validate {
namespace {

std::size_t FamilyIndex(const IpAddress& address) { return address.is_ipv6() ? 1 : 0; }

}  // namespace

void Reach::Add(const Device& device, std::string_view vrf, const IpPrefix& network) {
  lengths_[FamilyIndex(network.address())].set(static_cast<std::size_t>(network.length()));
  by_device_.emplace(DeviceKey(device.name, network), &device);
  const auto [found, is_new] = by_vrf_.emplace(PrefixKey(vrf, network), &device);
  if (!is_new && !found->second->is_up()) found->second = &device;
}

void Reach::AddDevice(const Device& device) {
  if (device.uplink != nullptr) {
    if (device.uplink->cidr) Add(device, device.vrf(), device.uplink->cidr->Masked());
    if (device.uplink->ipv6) Add(device, device.vrf(), device.uplink->ipv6->Masked());
  }
  if (device.interface == nullptr) return;
  if (const auto* vrf = std::get_if<Vrf>(&device.interface->type)) vrf_tables_.emplace(vrf->table, &device);
  // A VRF's own addresses count as inside it.
  const std::string_view vrf = std::holds_alternative<Vrf>(device.interface->type) ? device.name : device.vrf();
  for (const Address& address : device.interface->addresses) {
    own_.emplace(std::pair(vrf, address.prefix.address()), &device);
    if (device.name == "lo") continue;
    const IpPrefix network = (address.peer ? *address.peer : address.prefix).Masked();
    Add(device, vrf, network);
    if (device.is_up()) connected_.emplace(PrefixKey(vrf, network), &device);
  }
}

Reach::Reach(const PlaceDevices& place) {
  for (const Device& device : place.devices) AddDevice(device);
  if (place.node == nullptr) return;
  for (const Route& route : place.node->routes) {
    if (route.label || route.via || route.dev.empty() || route.type != RouteType::kUnicast) continue;
    if (const Device* device = place.Find(route.dev)) Add(*device, device->vrf(), route.to.Masked());
  }
}

Reach::Answer Reach::Ask(std::string_view vrf, const IpAddress& address) const {
  const auto& lengths = lengths_[FamilyIndex(address)];
  Answer answer = Answer::kNo;
  for (int length = address.bits(); length >= 0; --length) {
    if (!lengths.test(static_cast<std::size_t>(length))) continue;
    const auto found = by_vrf_.find(PrefixKey(vrf, IpPrefix(address, length).Masked()));
    if (found == by_vrf_.end()) continue;
    if (found->second->is_up()) return Answer::kYes;
    answer = Answer::kOnlyThroughDown;
  }
  return answer;
}

Reach::Answer Reach::Ask(const Device& device, const IpAddress& address) const {
  const auto& lengths = lengths_[FamilyIndex(address)];
  for (int length = address.bits(); length >= 0; --length) {
    if (!lengths.test(static_cast<std::size_t>(length))) continue;
    if (by_device_.count(DeviceKey(device.name, IpPrefix(address, length).Masked())) == 0) continue;
    return device.is_up() ? Answer::kYes : Answer::kOnlyThroughDown;
  }
  return Answer::kNo;
}

bool Reach::IsOwn(std::string_view vrf, const IpAddress& address) const {
  return own_.count(std::pair(vrf, address)) != 0;
}

const Device* Reach::ConnectedBy(std::string_view vrf, const IpPrefix& prefix) const {
  const auto found = connected_.find(PrefixKey(vrf, prefix));
  return found == connected_.end() ? nullptr : found->second;
}

const Device* Reach::VrfOfTable(std::uint32_t table) const {
  const auto found = vrf_tables_.find(table);
  return found == vrf_tables_.end() ? nullptr : found->second;
}

}  // namespace runner::validate
