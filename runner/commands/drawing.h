// A lab as a picture: boxes and cables, apart from where they are read and how they are drawn.
#pragma once
#include <string>
#include <vector>

#include "plan/plan.h"
#include "topology/model.h"

namespace runner {

struct DrawnBox {
  enum class Kind { kNode, kSwitch, kHost, kUplink };
  std::string name;
  Kind kind = Kind::kNode;
  std::vector<std::string> lines = {};  // below the name: "eth0 10.0.0.1/24"
  friend bool operator==(const DrawnBox&, const DrawnBox&) = default;
};

struct DrawnCable {
  std::string a;  // names of boxes
  std::string b;
  std::string a_label = {};
  std::string b_label = {};
  friend bool operator==(const DrawnCable&, const DrawnCable&) = default;
};

struct Drawing {
  std::string lab;
  std::vector<DrawnBox> boxes;
  std::vector<DrawnCable> cables;
  friend bool operator==(const Drawing&, const Drawing&) = default;
};

Drawing DrawTopology(const Topology& topology);
/// As the lab was made; for one whose file is gone.
Drawing DrawRecord(const std::string& lab, const Record& record);

/// In Graphviz's language: `dot -Tsvg` draws it.
std::string DotText(const Drawing& drawing);

}  // namespace runner
