// A lab as a picture: boxes and cables, apart from where they are read and how they are drawn.
#pragma once
#include <string>
#include <vector>

#include "plan/plan.h"
#include "topology/model.h"

namespace runner {

/// What is told of a box when somebody asks: lines under a heading.
struct DrawnSection {
  std::string title;
  std::vector<std::string> lines = {};
  friend bool operator==(const DrawnSection&, const DrawnSection&) = default;
};

struct DrawnBox {
  enum class Kind { kNode, kSwitch, kHost, kUplink };
  /// How it is now; kUnknown when the drawing is not of a lab that is up.
  enum class State { kUnknown, kAsRecorded, kDrifted, kGone };
  std::string name;
  Kind kind = Kind::kNode;
  std::vector<std::string> lines = {};  // below the name: "eth0 10.0.0.1/24"
  State state = State::kUnknown;
  std::vector<DrawnSection> sections = {};
  friend bool operator==(const DrawnBox&, const DrawnBox&) = default;
};

struct DrawnCable {
  std::string a;  // names of boxes
  std::string b;
  std::string a_label = {};
  std::string b_label = {};
  std::vector<std::string> lines = {};  // what is set on it: "mtu 1400", "delay 20ms loss 1%"
  friend bool operator==(const DrawnCable&, const DrawnCable&) = default;
};

struct Drawing {
  std::string lab;
  std::string made = {};  // of what: "from lab.yaml"
  std::vector<DrawnBox> boxes;
  std::vector<DrawnCable> cables;
  friend bool operator==(const Drawing&, const Drawing&) = default;
};

Drawing DrawTopology(const Topology& topology);
/// As the lab was made; for one whose file is gone.
Drawing DrawRecord(const std::string& lab, const Record& record);

/// Whether the label of a cable's end at such a box helps a reader: a switch's ports mostly have names made for them.
bool ShowsLabel(DrawnBox::Kind kind);

// ---- As text; nothing else is needed to make it

/// In Graphviz's language: `dot -Tsvg` draws it.
std::string DotText(const Drawing& drawing);
/// In Mermaid's language, as a README shows it.
std::string MermaidText(const Drawing& drawing);
/// A tree for a terminal; what closes a circle is named where it does.
std::string TreeText(const Drawing& drawing);

}  // namespace runner
