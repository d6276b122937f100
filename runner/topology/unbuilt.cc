// What the language has and this version does not build yet.
#include "base/text.h"
#include "topology/load.h"

namespace runner {
namespace {

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

  void FindInNode(const Node& node) {
    const std::string where = "node " + Quote(node.name);
    for (const Process& process : node.processes) {
      Tell(process.at, where + ": process " + Quote(process.name), "processes");
    }
    for (const NodeFile& file : node.files) Tell(file.at, where + ": file " + Quote(file.path), "`files` of a node");
    for (const Bind& bind : node.binds) Tell(bind.at, where + ": bind " + Quote(bind.path), "`binds` of a node");
    for (const auto& path : node.tmpfs) Tell(path.at, where + ": tmpfs " + Quote(path.value), "`tmpfs` of a node");
  }

  Errors errors_;
};

}  // namespace

Errors FindUnbuilt(const Topology& topology) { return Finder().Find(topology); }

}  // namespace runner
