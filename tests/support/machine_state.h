// What a machine looks like, by `ip`, `nft` and /proc, as lines that two states can be compared by.
#pragma once
#include <set>
#include <string>
#include <vector>

namespace runner::test {

/// Sorted lines "part: what it is".
using MachineState = std::vector<std::string>;

/// The network of the calling thread's namespace: links, addresses, routes, rules, neighbours, nft rules, sysctls;
/// without what counts or runs down by itself.
MachineState ReadNetwork();
/// The named network namespaces too, each line with the name in front. Without what is chosen anew with an interface
/// that is made again (indexes, random addresses) and what the kernel does later by itself (link-local addresses).
MachineState ReadNamedNetworks();
/// The network, mounts, files below /run and /etc/netns, and processes.
MachineState ReadMachine();

/// Lines "- …" that are only in `before` and "+ …" that are only in `after`; empty when they are equal.
std::string Difference(const MachineState& before, const MachineState& after);

/// The processes that there are now, but for what has ended and waits to be asked for its status.
std::set<int> ReadProcesses();
/// Waits until no process is left that is not in `known`; at most five seconds.
void WaitForTheEndOfOthers(const std::set<int>& known);

}  // namespace runner::test
