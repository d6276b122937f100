// What shares a wire: a cable's two ends, or a bridge with all that is attached.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "topology/validate_index.h"

namespace runner::validate {

/// Disjoint sets of numbers.
class Union {
 public:
  explicit Union(std::size_t size);
  std::size_t Add();
  std::size_t Root(std::size_t i);
  void Join(std::size_t a, std::size_t b);

 private:
  std::vector<std::size_t> parent_;
};

struct SegmentMember {
  const PlaceDevices* place;
  const Device* device;
};

/// Which devices stand on one segment.
class Segments {
 public:
  Segments(const Topology& topology, const Index& index);
  /// Members by segment, each list in file order.
  std::vector<std::vector<SegmentMember>> Lists();

 private:
  std::optional<std::size_t> Find(const Index& index, const Place& place, std::string_view name) const;
  void JoinMaster(const Index& index, std::size_t i);
  /// A port of a filtering bridge hears the VLAN that it is in untagged.
  std::size_t MasterSet(const Index& index, std::size_t master, const Device& port);
  std::size_t Tagged(std::size_t parent, std::uint16_t id);
  void JoinVlans(const Index& index);

  std::vector<SegmentMember> members_;
  std::map<Place, std::size_t> first_;
  std::size_t sets_end_ = 0;
  Union sets_;
  std::map<std::pair<std::size_t, std::uint16_t>, std::size_t> tagged_;
};

}  // namespace runner::validate
