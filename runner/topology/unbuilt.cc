// What the language has and this version does not build yet.
#include <fmt/format.h>

#include "base/text.h"
#include "topology/load.h"

namespace runner {
namespace {

/// The word after `type:`; empty for what is built.
std::string_view TypeName(const InterfaceType& type) {
  if (std::holds_alternative<Macsec>(type)) return "macsec";
  if (std::holds_alternative<Wireguard>(type)) return "wireguard";
  if (std::holds_alternative<Physical>(type)) return "physical";
  return {};
}

class Finder {
 public:
  Errors Find(const Topology& topology) {
    for (const Node& node : topology.nodes) FindInNode(node);
    return std::move(errors_);
  }

 private:
  void Tell(const Mark& at, std::string where, const std::string& what) {
    Error error{.where = std::move(where), .tried = {}, .why = "this version does not build " + what + " yet"};
    error.failure = Failure::kTopology;
    error.at = at;
    errors_.push_back(std::move(error));
  }

  void FindInInterface(const std::string& place, const Interface& interface) {
    const std::string where = "interface " + Quote(place + ":" + interface.name);
    if (const std::string_view type = TypeName(interface.type); !type.empty()) {
      Tell(interface.type_at.known() ? interface.type_at : interface.at, where,
           fmt::format("interfaces of type `{}`", type));
    }
  }

  void FindInNode(const Node& node) {
    for (const Interface& interface : node.interfaces) FindInInterface(node.name, interface);
  }

  Errors errors_;
};

}  // namespace

Errors FindUnbuilt(const Topology& topology) { return Finder().Find(topology); }

}  // namespace runner
