// Which addresses a node reaches without a gateway: what its own addresses and its routes without `via` put on a
// wire. Answers in the time of one look-up a prefix length, however many interfaces the node has.
#pragma once
#include <array>
#include <bitset>
#include <map>
#include <string_view>
#include <tuple>

#include "topology/validate_index.h"

namespace runner::validate {

class Reach {
 public:
  explicit Reach(const PlaceDevices& place);

  enum class Answer { kYes, kOnlyThroughDown, kNo };
  /// Does any device of `vrf` have `address` on its wire?
  Answer Ask(std::string_view vrf, const IpAddress& address) const;
  /// Does `device` have it?
  Answer Ask(const Device& device, const IpAddress& address) const;
  /// Is it an address of the node itself, in `vrf`?
  bool IsOwn(std::string_view vrf, const IpAddress& address) const;
  /// The device whose address makes the kernel add a route to exactly `prefix` in `vrf`, or null.
  const Device* ConnectedBy(std::string_view vrf, const IpPrefix& prefix) const;
  /// The VRF that looks into `table`, or nothing known.
  const Device* VrfOfTable(std::uint32_t table) const;

 private:
  void Add(const Device& device, std::string_view vrf, const IpPrefix& network);
  void AddDevice(const Device& device);

  using PrefixKey = std::pair<std::string_view, IpPrefix>;
  using DeviceKey = std::tuple<std::string_view, IpPrefix>;
  std::map<PrefixKey, const Device*> by_vrf_;     // a device that is up where there is one
  std::map<DeviceKey, const Device*> by_device_;  // device name, prefix
  std::map<std::pair<std::string_view, IpAddress>, const Device*> own_;
  std::map<PrefixKey, const Device*> connected_;
  std::map<std::uint32_t, const Device*> vrf_tables_;
  std::array<std::bitset<129>, 2> lengths_;
};

}  // namespace runner::validate
