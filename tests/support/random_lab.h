// Small labs by chance, written as files, and what edits of them are by chance.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "plan/graph.h"
#include "topology/load.h"

namespace runner::test {

using Random = std::mt19937;

inline int Number(Random& random, int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); }

inline int FromEnvironment(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

// A lab as what its file is written from; each part can be left out.
struct Cable {
  int a = 0;  // a node's number
  int b = 0;  // another's, -1 for the host, -2 for the switch
  int mtu = 1500;
  int subnet = 0;
  bool six = false;
};
struct Lab {
  int nodes = 1;
  std::vector<Cable> cables;
  std::vector<int> forwarding;              // of each node: 0 absent, 1 on
  std::vector<int> reverse_path;            // a sysctl's value, -1 absent
  std::vector<std::pair<int, int>> routes;  // by the cable's number: metric
  std::vector<int> masquerade;              // numbers of cables whose first node does
  bool command = false;
};

inline Lab MakeLab(Random& random) {
  Lab lab;
  lab.nodes = 1 + Number(random, 5);
  const int cables = Number(random, 6);
  for (int i = 0; i < cables; ++i) {
    Cable cable{.a = Number(random, lab.nodes), .b = Number(random, lab.nodes + 2) - 2, .subnet = i};
    if (cable.b == cable.a) cable.b = -1;
    cable.mtu = 1300 + 100 * Number(random, 3);
    cable.six = Number(random, 2) == 0;
    lab.cables.push_back(cable);
    if (cable.b >= -1 && Number(random, 2) == 0) lab.routes.emplace_back(i, Number(random, 3));
    if (Number(random, 4) == 0) lab.masquerade.push_back(i);
  }
  for (int i = 0; i < lab.nodes; ++i) {
    lab.forwarding.push_back(Number(random, 2));
    lab.reverse_path.push_back(Number(random, 4) - 1);
  }
  lab.command = Number(random, 4) == 0;
  return lab;
}

inline Lab Edit(Lab lab, Random& random) {
  for (int edits = 1 + Number(random, 3); edits > 0; --edits) {
    switch (Number(random, 6)) {
      case 0:
        return MakeLab(random);
      case 1:
        if (!lab.cables.empty())
          lab.cables[static_cast<std::size_t>(Number(random, static_cast<int>(lab.cables.size())))].mtu = 1290;
        break;
      case 2:
        for (auto& [cable, metric] : lab.routes) metric = Number(random, 3);
        break;
      case 3:
        for (int& value : lab.reverse_path) value = Number(random, 4) - 1;
        break;
      case 4:
        lab.masquerade.clear();
        break;
      default:
        lab.nodes += 1;
        lab.forwarding.push_back(1);
        lab.reverse_path.push_back(2);
        break;
    }
  }
  return lab;
}

inline std::string Text(const Lab& lab) {
  std::string out = "name: lab\nnodes:\n";
  const auto all = [&lab](auto&& each) {
    for (std::size_t i = 0; i < lab.cables.size(); ++i) each(i, lab.cables[i]);
  };
  for (int node = 0; node < lab.nodes; ++node) {
    const auto at = static_cast<std::size_t>(node);
    out += "  n" + std::to_string(node) + ":\n    hosts: true\n";
    if (lab.forwarding[at] == 1) out += "    forwarding: true\n";
    if (lab.reverse_path[at] >= 0) {
      out += "    sysctls: {net.ipv4.conf.all.rp_filter: " + std::to_string(lab.reverse_path[at]) + "}\n";
    }
    if (lab.command && node == 0) out += "    exec: [\"true\"]\n";
    std::string interfaces;
    std::string routes;
    std::string nat;
    all([&](std::size_t i, const Cable& cable) {
      const std::string net = "10." + std::to_string(cable.subnet) + ".0.";
      const auto add = [&](const std::string& name, const char* host) {
        interfaces += "      " + name + ": {addresses: [" + net + host + "/24";
        if (cable.six) interfaces += ", \"fd00:" + std::to_string(cable.subnet) + "::" + host + "/64\"";
        interfaces += "]}\n";
      };
      if (cable.a == node) {
        add("e" + std::to_string(i), "1");
        for (const auto& [which, metric] : lab.routes) {
          if (static_cast<std::size_t>(which) != i) continue;
          routes += "      - {to: 10.100." + std::to_string(i) + ".0/24, via: " + net +
                    "2, metric: " + std::to_string(metric) + "}\n";
        }
        if (std::ranges::count(lab.masquerade, static_cast<int>(i)) > 0)
          nat += "      - masquerade: {out: e" + std::to_string(i) + "}\n";
      }
      if (cable.b == node) add("f" + std::to_string(i), "2");
    });
    if (!interfaces.empty()) out += "    interfaces:\n" + interfaces;
    if (!routes.empty()) out += "    routes:\n" + routes;
    if (!nat.empty()) out += "    nat:\n" + nat;
  }
  if (std::ranges::any_of(lab.cables, [](const Cable& cable) { return cable.b == -2; })) out += "bridges: {sw: {}}\n";
  std::string links;
  all([&](std::size_t i, const Cable& cable) {
    const std::string number = std::to_string(i);
    const std::string far = cable.b == -2   ? "sw"
                            : cable.b == -1 ? "host:h" + number
                                            : "n" + std::to_string(cable.b) + ":f" + number;
    links += "  - {endpoints: [\"n" + std::to_string(cable.a) + ":e" + number + "\", \"" + far +
             "\"], mtu: " + std::to_string(cable.mtu) + "}\n";
  });
  if (!links.empty()) out += "links:\n" + links;
  return out;
}

inline std::optional<Graph> Wish(const Lab& lab, std::string& why) {
  const std::string text = Text(lab);
  auto loaded = LoadTopology(text, {.file = "lab.yaml"});
  if (!loaded.ok()) {
    why = "does not load: " + (loaded.errors.empty() ? "" : loaded.errors.front().text()) + "\n" + text;
    return std::nullopt;
  }
  auto graph = BuildGraph(*loaded.topology);
  if (!graph.ok()) {
    why = graph.error().text();
    return std::nullopt;
  }
  return std::move(graph).value();
}

}  // namespace runner::test
