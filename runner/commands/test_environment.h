// What a command that tests a lab is told of it by its environment.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "check/address_book.h"

namespace runner {

/// TOPORUN_LAB, TOPORUN_FILE; TOPORUN_NODES, their names; for each node TOPORUN_NODE_NAME_IPV4 and _IPV6, the address
/// that its name stands for, and TOPORUN_NODE_NAME_IFNAME_IPV4 and _IPV6, all of an interface. Letters are upper case,
/// and what is neither letter nor digit is `_`; of two names that become one the first counts.
std::vector<std::pair<std::string, std::string>> TestEnvironment(const std::string& lab, const std::string& file,
                                                                 const check::AddressBook& book);

}  // namespace runner
