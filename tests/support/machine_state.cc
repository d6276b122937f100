#include "tests/support/machine_state.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "kernel/netns.h"
#include "tests/support/sandbox.h"

namespace runner::test {
namespace {

namespace fs = std::filesystem;

enum class Detail {
  kAll,
  kLasting  // what an interface keeps when it is made again
};

// What runs down, counts, or is told while the kernel still works at it.
const std::set<std::string> kVolatile = {"valid_life_time",
                                         "preferred_life_time",
                                         "expires",
                                         "used",
                                         "age",
                                         "cache",
                                         "tentative",
                                         "hello_timer",
                                         "tcn_timer",
                                         "gc_timer",
                                         "handle",
                                         "packets",
                                         "bytes",
                                         "metainfo",
                                         "stats",
                                         "stats64",
                                         "topology_change",
                                         "message_age_timer",
                                         "hold_timer",
                                         "forward_delay_timer",
                                         "topology_change_timer",
                                         "topology_change_detected",
                                         "operstate",
                                         "state"};
const std::set<std::string> kOfThisInterface = {
    "ifindex", "link", "link_index", "link_netnsid",      "address",         "broadcast", "bridge_id", "root_id",
    "id",      "no",   "parentbus",  "designated_bridge", "designated_root", "root_port", "ifi"};
const std::set<std::string> kVolatileFlags = {"LOWER_UP", "NO-CARRIER", "linkdown", "dead", "M-DOWN"};
constexpr const char* kVolatileSettings[] = {
    "nf_conntrack_count", "tcp_fastopen_key",    "route/flush", "stable_secret", "rmem_", "wmem_",
    "nf_conntrack_max",   "nf_conntrack_buckets"};

bool IsVolatile(const std::string& key, Detail detail) {
  return kVolatile.contains(key) || (detail == Detail::kLasting && kOfThisInterface.contains(key));
}

Json Steady(const Json& json, Detail detail) {
  if (json.is_object()) {
    Json out = Json::object();
    for (const auto& [key, value] : json.items()) {
      if (!IsVolatile(key, detail)) out[key] = Steady(value, detail);
    }
    return out;
  }
  if (!json.is_array()) return json;
  Json out = Json::array();
  for (const Json& value : json) {
    if (value.is_string() && kVolatileFlags.contains(value.get<std::string>())) continue;
    out.push_back(Steady(value, detail));
  }
  return out;
}

/// Link-local and multicast: the kernel's own, some time after an interface came up.
bool ComesLater(const Json& entry) {
  for (const char* key : {"dst", "local"}) {
    const auto found = entry.find(key);
    if (found == entry.end() || !found->is_string()) continue;
    const auto text = found->get<std::string>();
    if (text.starts_with("fe80:") || text.starts_with("ff00:") || text == "multicast") return true;
  }
  return false;
}

void AddEntries(const std::string& part, const Json& list, Detail detail, MachineState& out) {
  for (Json entry : list) {
    if (detail == Detail::kLasting) {
      if (ComesLater(entry)) continue;
      if (entry.contains("addr_info")) {
        Json kept = Json::array();
        for (const Json& address : entry["addr_info"]) {
          if (!ComesLater(address)) kept.push_back(address);
        }
        // The list of an address family tells an interface without any as soon as it is up.
        if (kept.empty()) continue;
        entry["addr_info"] = std::move(kept);
      }
    }
    const Json steady = Steady(entry, detail);
    if (!steady.empty()) out.push_back(part + ": " + JsonText(steady));
  }
}

void AddTools(Detail detail, MachineState& out) {
  // One program for each family: what a batch prints is one list a line, empty ones too.
  static const std::string kList =
      " -d -j -batch - <<END\naddress show\nroute show table all\nrule show\nneighbour show nud permanent\n"
      "neighbour show proxy\nEND\necho; echo --\n";
  static const std::string kScript =
      "ip -4" + kList + "ip -6" + kList + "ip -d -j link show\necho; echo --\nexec nft -j list ruleset";
  const std::string text = Shell(kScript);
  constexpr const char* kParts[] = {"ipv4", "ipv6", "link", "nft"};
  std::size_t part = 0;
  for (const std::string_view line : Split(text, '\n')) {
    if (line == "--") {
      ++part;
      continue;
    }
    if (line.find_first_not_of(' ') == std::string_view::npos) continue;
    const auto json = ParseJson(line);
    if (!json.ok() || part >= std::size(kParts)) {
      ADD_FAILURE() << kParts[part] << " printed " << line;
      continue;
    }
    AddEntries(kParts[part], json->is_object() && json->contains("nftables") ? (*json)["nftables"] : *json, detail,
               out);
  }
}

void AddSettings(MachineState& out) {
  std::error_code gone;  // An interface may go while its folder is read.
  for (auto it = fs::recursive_directory_iterator("/proc/sys/net", gone); it != fs::recursive_directory_iterator();
       it.increment(gone)) {
    const std::string path = it->path().string();
    if (!it->is_regular_file(gone)) continue;
    const auto in_path = [&path](const char* word) { return path.find(word) != std::string::npos; };
    if (std::ranges::any_of(kVolatileSettings, in_path)) continue;
    const auto value = ReadFile(path);
    if (value.ok()) out.push_back("sysctl: " + path.substr(sizeof "/proc/sys/" - 1) + " = " + *value);
  }
}

void AddMounts(MachineState& out) {
  const auto text = ReadFile("/proc/self/mountinfo");
  if (!text.ok()) return;
  for (const std::string_view line : Split(*text, '\n')) {
    // Numbers of the mount, of its parent and of the device come first, peer groups later.
    auto words = Split(line, ' ');
    if (words.size() < 7) continue;
    std::string kept;
    for (std::size_t i = 3; i < words.size(); ++i) {
      kept += std::string(words[i].substr(0, words[i].find(':'))) + " ";
    }
    out.push_back("mount: " + kept);
  }
}

void AddFiles(const std::string& root, MachineState& out) {
  std::error_code gone;
  for (auto it = fs::recursive_directory_iterator(root, gone); it != fs::recursive_directory_iterator();
       it.increment(gone)) {
    const std::string path = it->path().string();
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) continue;
    std::string line = "file: " + path + " " + std::to_string(info.st_mode) + " " + std::to_string(info.st_uid);
    if (S_ISLNK(info.st_mode)) line += " -> " + fs::read_symlink(path, gone).string();
    if (S_ISREG(info.st_mode)) {
      const auto content = ReadFile(path);
      line += content.ok() ? " " + std::to_string(StableHash(*content)) : " not read";
    }
    out.push_back(std::move(line));
  }
}

/// "pid (comm) state …": the state's letter, or nothing when it has ended.
char StateOf(int pid) {
  const auto stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  if (!stat.ok()) return 0;
  const std::size_t end = stat->rfind(')');
  return end == std::string::npos || end + 2 >= stat->size() ? '\0' : (*stat)[end + 2];
}

void AddProcesses(MachineState& out) {
  for (const int pid : ReadProcesses()) {
    auto words = ReadFile("/proc/" + std::to_string(pid) + "/cmdline");
    if (!words.ok()) continue;
    std::ranges::replace(*words, '\0', ' ');
    out.push_back("process: " + std::to_string(pid) + " " + *words);
  }
}

MachineState ReadNetworkWith(Detail detail) {
  MachineState out;
  AddTools(detail, out);
  AddSettings(out);
  std::ranges::sort(out);
  return out;
}

}  // namespace

MachineState ReadNetwork() { return ReadNetworkWith(Detail::kAll); }

MachineState ReadNamedNetworks() {
  MachineState out;
  const NamespaceDirectory directory;
  auto entries = ListNamespaces(directory);
  if (!entries.ok()) {
    ADD_FAILURE() << entries.error().text();
    return out;
  }
  for (const NamespaceEntry& entry : *entries) {
    auto place = Namespace::OpenPath(directory.Path(entry.name));
    if (!place.ok()) {
      out.push_back(entry.name + ": " + place.error().text());
      continue;
    }
    const auto here = InNamespace::Enter(*place);
    if (!here.ok()) {
      ADD_FAILURE() << here.error().text();
      continue;
    }
    for (std::string& line : ReadNetworkWith(Detail::kLasting)) out.push_back(entry.name + ": " + line);
  }
  return out;
}

MachineState ReadMachine() {
  MachineState out = ReadNetwork();
  AddMounts(out);
  AddFiles("/run", out);
  AddFiles("/etc/netns", out);
  AddProcesses(out);
  std::ranges::sort(out);
  return out;
}

std::string Difference(const MachineState& before, const MachineState& after) {
  std::string out;
  MachineState lines;
  std::ranges::set_difference(before, after, std::back_inserter(lines));
  for (const std::string& line : lines) out += "- " + line + "\n";
  lines.clear();
  std::ranges::set_difference(after, before, std::back_inserter(lines));
  for (const std::string& line : lines) out += "+ " + line + "\n";
  return out;
}

std::set<int> ReadProcesses() {
  std::set<int> out;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc", gone)) {
    const auto pid = ParseInteger(entry.path().filename().string());
    if (!pid) continue;
    const char state = StateOf(static_cast<int>(*pid));
    if (state != 0 && state != 'Z' && state != 'X') out.insert(static_cast<int>(*pid));
  }
  return out;
}

void WaitForTheEndOfOthers(const std::set<int>& known) {
  constexpr std::chrono::seconds kLimit(5);
  const auto end = std::chrono::steady_clock::now() + kLimit;
  for (const int pid : ReadProcesses()) {
    if (known.contains(pid)) continue;
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!process.is_open()) continue;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd ready{.fd = process.get(), .events = POLLIN, .revents = 0};
    poll(&ready, 1, std::max(static_cast<int>(left.count()), 0));
  }
}

}  // namespace runner::test
