// Loading from a test: the topology, or what is told about the text.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/report.h"
#include "topology/load.h"

namespace runner {

inline LoadOptions TestOptions() {
  LoadOptions options;
  options.file = "lab.yaml";
  return options;
}

/// `LINE:COLUMN: text` of each error and warning, with its notes; empty when there is nothing to tell.
inline std::string Told(const LoadResult& result) {
  std::string out;
  for (const Error& error : result.errors) {
    if (error.at.known()) out += std::to_string(error.at.line) + ":" + std::to_string(error.at.column) + ": ";
    if (error.severity == Severity::kWarning) out += "warning: ";
    out += error.text() + "\n";
    for (const Note& note : error.notes) {
      out += "  " + std::to_string(note.at.line) + ":" + std::to_string(note.at.column) + ": " + note.text + "\n";
    }
  }
  return out;
}

inline std::string Told(std::string_view text, const LoadOptions& options = TestOptions()) {
  return Told(LoadTopology(text, options));
}

/// The topology of a text that must be right.
inline Topology Loaded(std::string_view text, const LoadOptions& options = TestOptions()) {
  LoadResult result = LoadTopology(text, options);
  EXPECT_TRUE(result.ok()) << Told(result);
  return result.topology.value_or(Topology());
}

/// The addresses of an interface, with blanks between.
inline std::string Addresses(const Interface* interface) {
  if (interface == nullptr) return "no such interface";
  std::string out;
  for (const Address& address : interface->addresses) out += (out.empty() ? "" : " ") + address.prefix.text();
  return out;
}

inline std::string AddressesOf(const Topology& topology, const std::string& node, const std::string& interface) {
  const Place place{.kind = node == "host" ? Place::Kind::kHost : Place::Kind::kNode,
                    .name = node == "host" ? "" : node};
  return Addresses(topology.FindInterface(place, interface));
}

}  // namespace runner
