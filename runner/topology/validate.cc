#include "topology/validate.h"

#include <algorithm>

#include "topology/validate_index.h"

namespace runner {

Errors ValidateTopology(const Topology& topology) {
  validate::Findings findings;
  const validate::Index index(topology, findings);
  validate::CheckInterfaces(topology, index, findings);
  validate::CheckSegments(topology, index, findings);
  validate::CheckRoutes(topology, index, findings);
  validate::CheckNat(topology, index, findings);
  validate::CheckUplinks(topology, index, findings);
  validate::CheckPorts(topology, index, findings);
  validate::CheckNodes(topology, index, findings);
  validate::CheckWireguard(topology, index, findings);
  validate::CheckProcesses(topology, index, findings);
  validate::CheckTests(topology, index, findings);
  Errors errors = findings.Take();
  std::ranges::stable_sort(errors, {}, [](const Error& error) { return Position(error.at); });
  return errors;
}

}  // namespace runner
