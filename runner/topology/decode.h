// The grammar: from the expanded tree to a Draft. Every key of the language is read here, each mistake told at its
// place; names that stand elsewhere in the file are left to the resolver.
#pragma once
#include <functional>
#include <string>
#include <unordered_map>

#include "topology/draft.h"
#include "topology/fields.h"
#include "topology/load.h"
#include "topology/ranges.h"

namespace runner {

Draft Decode(const YamlNode& root, const LoadOptions& options, YamlTree& tree, Diagnostics& diagnostics);

/// Reads the fields of one node, or of a group or `defaults`, whose fields may be completed elsewhere.
class NodeDecoder {
 public:
  enum class Kind { kNode, kFragment };
  NodeDecoder(Kind kind, Node& node, NodeNotes& notes, std::size_t index, Draft& draft, Reporter reporter)
      : kind_(kind), node_(node), notes_(notes), index_(index), draft_(draft), reporter_(std::move(reporter)) {}

  void Decode(const YamlNode& map);

 private:
  using SetAddress = std::function<void(Node&, const IpAddress&)>;

  /// `inherited`: the whole section comes from a group, not only single entries.
  void DecodeInterfaces(const YamlNode& map, bool inherited);
  void DecodeInterface(const std::string& name, const YamlEntry& entry, bool inherited);
  InterfaceType DecodeType(const Fields& fields, std::size_t type, std::size_t interface, const Reporter& reporter);
  InterfaceType DecodeVxlan(const Fields& fields, std::size_t interface, const Reporter& reporter);
  InterfaceType DecodeTunnel(const Fields& fields, const std::string& kind, std::size_t interface,
                             const Reporter& reporter);
  InterfaceType DecodeWireguard(const Fields& fields, std::size_t interface, const Reporter& reporter);
  void DecodeRoutes(const YamlNode& list);
  void DecodeRules(const YamlNode& list);
  void DecodeRule(const YamlNode& map, std::uint32_t& next_priority);
  void DecodeNeighbour(const YamlNode& map);
  void DecodeSysctls(const YamlNode& map);
  void DecodeForwarding(const YamlNode& value);
  void DecodeNat(const YamlNode& rule);
  void DecodeForward(const YamlNode& map, Mark at);
  void DecodeUplink(const YamlNode& map);
  void DecodePort(const YamlNode& value);
  void DecodeDns(const YamlNode& map);
  void DecodeHosts(const YamlNode& value);
  void DecodeProcesses(const YamlNode& map);
  void DecodeFiles(const YamlNode& map);
  void DecodeBind(const YamlNode& value);
  void DecodeAttach(const YamlNode& map);

  /// An address or NODE:IFNAME. False when it is neither; true with `slot` set, or later by `set`.
  bool TakeAddress(const YamlNode& value, std::string_view key, std::optional<Family> family, const Reporter& reporter,
                   std::optional<IpAddress>& slot, SetAddress set,
                   AddressReference::Owner owner = AddressReference::Owner::kNone, std::size_t item = 0);
  /// Missing keys of a fragment may stand in the node.
  const YamlNode* RequireUnlessFragment(const Fields& fields, std::string_view key) const {
    return kind_ == Kind::kFragment ? fields.Find(key) : fields.Require(key);
  }

  Kind kind_;
  Node& node_;
  NodeNotes& notes_;
  std::size_t index_;
  Draft& draft_;
  Reporter reporter_;
};

/// NODE:IFNAME in its two parts, or nothing.
std::optional<std::pair<std::string, std::string>> SplitReference(std::string_view text);

/// A reference to an address, pending. Whoever calls sets it into the model when it is known.
using TakeReference =
    std::function<bool(const YamlNode& value, std::string_view key, std::optional<Family> family,
                       std::optional<IpAddress>& slot, const std::function<void(Route&, const IpAddress&)>& set)>;
/// One entry of `routes`, of a node or at the host.
std::optional<Route> DecodeRoute(const YamlNode& map, const Reporter& reporter, const TakeReference& take);

std::vector<Address> DecodeAddresses(const YamlNode& list, const Reporter& reporter);
std::optional<Impairment> DecodeImpairment(const YamlNode& map, const Reporter& reporter);
bool IsImpairmentKey(std::string_view key);
MaybeAt<bool> DecodeState(const Fields& fields);
MaybeAt<std::uint32_t> DecodeMtu(const Fields& fields);
std::optional<std::uint32_t> ReadTable(const YamlNode& node, std::string_view key, const Reporter& reporter);
std::optional<ParentDevice> ReadParent(const YamlNode& node, std::string_view key, const Reporter& reporter);
std::optional<std::int64_t> ReadMilliseconds(const YamlNode& node, std::string_view key, const Reporter& reporter);

/// `prefix` of a bridge or link; `pools` says whether `{pool, length}` has a meaning there.
enum class Pools { kRefused, kAllowed };
std::vector<PrefixDraft> DecodePrefixes(const YamlNode& value, Pools pools, const Reporter& reporter);

std::optional<LinkDraft> DecodeLink(const LinkEntry& entry, std::size_t index, Draft& draft, Diagnostics& diagnostics);
void DecodeTests(const YamlNode& map, Draft& draft, Diagnostics& diagnostics);

}  // namespace runner
