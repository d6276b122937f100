#include "commands/test_environment.h"

#include <cctype>
#include <map>

#include "base/text.h"

namespace runner {
namespace {

std::string Word(std::string_view name) {
  std::string word;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    word += byte < 0x80 && std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return word;
}

const char* FamilyWord(Family family) { return family == Family::kIpv6 ? "_IPV6" : "_IPV4"; }

}  // namespace

std::vector<std::pair<std::string, std::string>> TestEnvironment(const std::string& lab, const std::string& file,
                                                                 const check::AddressBook& book) {
  std::map<std::string, std::string> variables;
  std::vector<std::string> names;
  for (const check::NodeAddresses& node : book.nodes()) {
    names.push_back(node.node);
    const std::string prefix = "TOPORUN_NODE_" + Word(node.node);
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      if (const auto first = book.FirstOf(node.node, family)) {
        variables.emplace(prefix + FamilyWord(family), first->text());
      }
      for (const check::InterfaceAddresses& interface : node.interfaces) {
        std::vector<std::string> addresses;
        for (const IpPrefix& one : interface.addresses) {
          if (one.family() == family) addresses.push_back(one.address().text());
        }
        if (addresses.empty()) continue;
        variables.emplace(prefix + "_" + Word(interface.name) + FamilyWord(family), Join(addresses, " "));
      }
    }
  }
  variables["TOPORUN_LAB"] = lab;
  variables["TOPORUN_FILE"] = file;
  variables["TOPORUN_NODES"] = Join(names, " ");
  return {variables.begin(), variables.end()};
}

}  // namespace runner
