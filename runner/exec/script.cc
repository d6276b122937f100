#include "exec/script.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "exec/script_words.h"
#include "exec/translate.h"
#include "kernel/nat.h"

namespace runner {
namespace {

constexpr const char* kNamespaces = "/run/netns";
constexpr const char* kNodeFiles = "/etc/netns";
constexpr const char* kEndOfFile = "END_OF_FILE";

class Script {
 public:
  explicit Script(const Graph& wish) : wish_(wish) {}

  Result<std::string> Write(const Plan& plan) {
    text_ = "#!/bin/sh\n# The same by hand. For root, where the lab's host ends are to be.\nset -e\n";
    for (const Action& action : plan.actions) {
      if (action.verb == Verb::kForget || action.verb == Verb::kAdopt) continue;
      Plan alone;
      alone.actions.push_back(action);
      const auto lines = DescribePlan(alone);
      // A pair that replaces is one line of the plan: its first half has none.
      text_ +=
          "\n# " + (lines.empty() ? "-/+ " + action.resource.id.text() + "  away with the old one" : lines[0]) + "\n";
      TRY(std::visit([&](const auto& typed) { return Do(action, typed); }, action.resource.attributes)
              .Wrap(action.resource.id.text()));
    }
    if (!last_.empty()) text_ += "\n# what a bond is told of its members, now that they have joined\n";
    for (const std::string& command : last_) Line(command);
    return std::move(text_);
  }

 private:
  void Line(const std::string& command) { text_ += command + "\n"; }
  void Note(const std::string& sentence) { text_ += "# " + sentence + "\n"; }
  void Input(const std::string& command, std::string content) {
    if (!content.ends_with('\n')) content += '\n';
    text_ += command + " <<'" + kEndOfFile + "'\n" + content + kEndOfFile + "\n";
  }
  static bool Removes(const Action& action) { return action.verb == Verb::kRemove; }
  template <class T>
  static const T* Before(const Action& action) {
    return action.before ? std::get_if<T>(&*action.before) : nullptr;
  }

  // ---- The ground

  Status Do(const Action& action, const FolderAttributes& folder) {
    const char* path = folder.name == "netns" ? kNamespaces : kNodeFiles;
    Line(Removes(action) ? fmt::format("rmdir {} 2>/dev/null || true  # stays while others use it", path)
                         : fmt::format("mkdir -p {}", path));
    return {};
  }

  void Forwarding(const NamespaceAttributes& ns) {
    const auto set = [&](const char* key, const std::optional<bool>& value) {
      if (value) Line(SysctlCommand(ns.name, key, *value ? "1" : "0"));
    };
    set("net.ipv4.ip_forward", ns.forwarding_ipv4);
    set("net.ipv6.conf.all.forwarding", ns.forwarding_ipv6);
  }

  Status Do(const Action& action, const NamespaceAttributes& ns) {
    if (Removes(action)) {
      Line("ip netns del " + ns.name);
      Line(fmt::format("rmdir {}/{} 2>/dev/null || true", kNodeFiles, ns.name));
      return {};
    }
    if (action.verb == Verb::kCreate) {
      const std::size_t space = ns.attach.find(' ');
      const std::string what = space == std::string::npos ? "" : ns.attach.substr(space + 1);
      const std::string path = ShellQuote(std::string(kNamespaces) + "/" + ns.name);
      if (ns.attach.empty()) {
        Line("ip netns add " + ns.name);
      } else if (ns.attach.starts_with("pid ")) {
        Line("ip netns attach " + ns.name + " " + what);
      } else if (ns.attach.starts_with("container ")) {
        Line(fmt::format("ip netns attach {} \"$(docker inspect --format '{{{{.State.Pid}}}}' {})\"", ns.name,
                         ShellQuote(what)));
      } else {
        Line("touch " + path + " && mount --bind " + ShellQuote(what) + " " + path);
      }
      if (ns.is_switch) {
        Line(SysctlCommand(ns.name, "net.ipv6.conf.default.disable_ipv6", "1"));
        Line(SysctlCommand(ns.name, "net.ipv6.conf.all.disable_ipv6", "1"));
      }
    }
    Forwarding(ns);
    if (action.verb == Verb::kCreate && ns.attach.empty()) Line(IpIn(ns.name) + " link set lo up");
    return {};
  }

  Status Do(const Action& action, const SysctlAttributes& sysctl) {
    const auto* former = action.former ? std::get_if<SysctlAttributes>(&*action.former) : nullptr;
    if (!Removes(action)) {
      Line(SysctlCommand(sysctl.ns, sysctl.key, sysctl.value));
    } else if (former != nullptr) {
      Line(SysctlCommand(sysctl.ns, sysctl.key, former->value));
    }
    return {};
  }

  Status Do(const Action& action, const FileAttributes& file) {
    if (file.ns.empty()) {
      // Each node has a copy of its own here; an edit is written to all of them.
      if (action.verb == Verb::kCreate) Note("one file for all nodes: each gets a copy below");
      if (action.verb != Verb::kChange) return {};
      for (const Resource& resource : wish_.resources()) {
        const auto* copy = std::get_if<FileAttributes>(&resource.attributes);
        if (copy != nullptr && copy->shared) WriteFile(*copy, file.content);
      }
      return {};
    }
    if (Removes(action)) {
      Line(fmt::format("rm -f {}/{}/{}", kNodeFiles, file.ns, file.name));
      return {};
    }
    const Resource* shared = wish_.Find({.kind = Kind::kFile, .name = file.name});
    const bool copied = file.shared && shared != nullptr;
    WriteFile(file, copied ? std::get<FileAttributes>(shared->attributes).content : file.content);
    return {};
  }
  void WriteFile(const FileAttributes& file, const std::string& content) {
    Line(fmt::format("mkdir -p {}/{}", kNodeFiles, file.ns));
    Input(fmt::format("cat >{}/{}/{}", kNodeFiles, file.ns, file.name), content);
  }

  Status Do(const Action& action, const ExecAttributes& exec) {
    if (Removes(action)) return {};
    std::string command = "ip netns exec " + exec.ns;
    for (const std::string& word : exec.command) command += " " + ShellQuote(word);
    Line(command);
    return {};
  }

  // ---- Devices

  void Dress(const DeviceAttributes& device, const DeviceAttributes& before) {
    for (const std::string& command : DeviceCommands(device, before)) Line(command);
  }

  Status Do(const Action& action, const VethAttributes& veth) {
    if (Removes(action)) {
      Line(IpIn(veth.a.ns) + " link del dev " + veth.a.name);
    } else if (action.verb == Verb::kChange) {
      const auto* before = Before<VethAttributes>(action);
      Dress(veth.a, before == nullptr ? DeviceAttributes{} : before->a);
      Dress(veth.b, before == nullptr ? DeviceAttributes{} : before->b);
    } else {
      // The host has no name to send an end to: it keeps the one that is made first.
      const bool b_first = veth.b.ns.empty();
      const DeviceAttributes& near = b_first ? veth.b : veth.a;
      const DeviceAttributes& far = b_first ? veth.a : veth.b;
      const std::string place = far.ns == near.ns ? "" : " netns " + far.ns;
      Line(fmt::format("{} link add name {}{} type veth peer name {}{}{}", IpIn(near.ns), near.name, DeviceWords(near),
                       far.name, place, DeviceWords(far)));
      Dress(veth.a, FreshDevice(veth.a));
      Dress(veth.b, FreshDevice(veth.b));
    }
    return {};
  }

  Status Do(const Action& action, const BridgeAttributes& bridge) {
    constexpr std::uint32_t kTicksPerSecond = 100;
    const DeviceAttributes& device = bridge.device;
    const std::string settings =
        fmt::format(" type bridge stp_state {} priority {} ageing_time {}{}", bridge.stp ? 1 : 0, bridge.priority,
                    bridge.ageing * kTicksPerSecond, bridge.vlan_filtering ? " vlan_filtering 1" : "");
    if (Removes(action)) {
      Line(IpIn(device.ns) + " link del dev " + device.name);
    } else if (action.verb == Verb::kChange) {
      Line(IpIn(device.ns) + " link set dev " + device.name + settings);
      const auto* before = Before<BridgeAttributes>(action);
      Dress(device, before == nullptr ? DeviceAttributes{} : before->device);
    } else {
      Line(IpIn(device.ns) + " link add name " + device.name + DeviceWords(device) + settings);
      Dress(device, FreshDevice(device));
      for (const std::string& command : LinkLocalCommands(device)) Line(command);
    }
    return {};
  }

  Status Do(const Action& action, const LinkAttributes& link) {
    const DeviceAttributes& device = link.device;
    const auto* before = Before<LinkAttributes>(action);
    if (Removes(action)) {
      Line(IpIn(device.ns) + " link del dev " + device.name);
    } else if (action.verb == Verb::kChange) {
      const bool differs = before == nullptr || before->options != link.options;
      if (differs && link.type == "wireguard") {
        KeysAndPort(link, action.resource.id.name);
      } else if (differs) {
        Line(TypedCommand(link, "set"));
      }
      Dress(device, before == nullptr ? DeviceAttributes{} : before->device);
    } else {
      Line(TypedCommand(link, "add"));
      for (std::string& command : MemberCommands(link)) last_.push_back(std::move(command));
      if (link.type == "wireguard") KeysAndPort(link, action.resource.id.name);
      DeviceAttributes fresh = FreshDevice(device);
      if (link.type == "tap" || link.type == "tun") {
        fresh.mac.reset();
        fresh.mtu.reset();
        fresh.txqueuelen.reset();
      }
      Dress(device, fresh);
    }
    return {};
  }

  void NeedKeys() {
    if (needs_keys_) return;
    needs_keys_ = true;
    Note("secret keys are not written here: each is in a file of its own below this folder");
    Line(": \"${TOPORUN_KEYS:?the folder with the keys}\"");
  }
  void KeysAndPort(const LinkAttributes& link, const std::string& id) {
    NeedKeys();
    Line(WireguardCommand(link, id));
  }

  Status Do(const Action& action, const PeerAttributes& peer) {
    if (!peer.preshared_key.empty()) NeedKeys();
    // Another key is another peer to the kernel.
    const auto* before = Before<PeerAttributes>(action);
    const PeerVerb verb = Removes(action) ? PeerVerb::kRemove : PeerVerb::kSet;
    const PeerAttributes& meant = Removes(action) && before != nullptr ? *before : peer;
    Line(PeerCommand(meant, verb));
    return {};
  }

  Status Do(const Action& action, const PhysicalAttributes& physical) {
    const DeviceAttributes& device = physical.device;
    const auto* before = Before<PhysicalAttributes>(action);
    const auto* former = action.former ? std::get_if<PhysicalAttributes>(&*action.former) : nullptr;
    if (Removes(action)) {
      const std::string& card = before == nullptr ? physical.card : before->card;
      Line(fmt::format("{} link set {} down", IpIn(device.ns), device.name));
      Line(fmt::format("{} link set {} netns $$ name {}", IpIn(device.ns), device.name, card));
      if (former == nullptr || former->lent) return {};
      DeviceAttributes home = former->device;
      home.ns.clear();
      home.name = card;
      Dress(home, DeviceAttributes{});
      Note("its addresses and routes there are toporun's to give back: ip address add, ip route add");
    } else if (before != nullptr && before->lent && !action.replaces) {
      Dress(device, before->device);
    } else {
      Line(fmt::format("ip link set {} netns {} name {}", physical.card, device.ns, device.name));
      Dress(device, DeviceAttributes{.master = ""});
    }
    return {};
  }

  Status Do(const Action& action, const ImpairmentAttributes& impairment) {
    const std::string tc = In(impairment.ns) + "tc qdisc ";
    if (action.verb != Verb::kCreate) Line(tc + "del dev " + impairment.dev + " root");
    if (!Removes(action)) Line(tc + "add dev " + impairment.dev + " root handle d5: " + NetemWords(impairment));
    return {};
  }

  Status Do(const Action& action, const VlansAttributes& vlans) {
    for (const std::string& command : VlanCommands(vlans, Before<VlansAttributes>(action))) {
      if (!Removes(action)) Line(command);
    }
    return {};
  }

  Status Do(const Action& action, const FdbAttributes& fdb) {
    Line(fmt::format("{}bridge fdb {} {} dev {} dst {}", In(fdb.ns), Removes(action) ? "del" : "append", fdb.mac.text(),
                     fdb.dev, fdb.dst.text()));
    return {};
  }

  Status Do(const Action& action, const TapAttributes& tap) {
    const DeviceAttributes& device = tap.device;
    if (Removes(action)) {
      Line(IpIn(device.ns) + " link del dev " + device.name);
    } else if (action.verb == Verb::kChange) {
      const auto* before = Before<TapAttributes>(action);
      Dress(device, before == nullptr ? DeviceAttributes{} : before->device);
    } else {
      Line(IpIn(device.ns) + " tuntap add dev " + device.name + " mode tap");
      Line(IpIn(device.ns) + " link set dev " + device.name + DeviceWords(device));
      Dress(device, FreshDevice(device));
    }
    return {};
  }

  Status Do(const Action& action, const InterfaceAttributes& interface) {
    const auto* before = Before<InterfaceAttributes>(action);
    const auto* former = action.former ? std::get_if<InterfaceAttributes>(&*action.former) : nullptr;
    if (!Removes(action)) {
      Dress(interface.device, before == nullptr ? DeviceAttributes{} : before->device);
    } else if (former != nullptr) {
      Dress(former->device, interface.device);
    }
    return {};
  }

  Status Do(const Action& action, const ActivationAttributes& state) {
    Line(fmt::format("{} link set dev {} {}", IpIn(state.ns), state.dev, state.up && !Removes(action) ? "up" : "down"));
    return {};
  }

  // ---- L3

  Status Do(const Action& action, const AddressAttributes& address) {
    const std::string del = AddressCommand(address, "del");
    // Neither a lifetime nor the wish for duplicate address detection can be changed.
    if (action.verb == Verb::kChange || Removes(action)) Line(del);
    if (!Removes(action)) Line(AddressCommand(address, "add"));
    return {};
  }
  Status Do(const Action& action, const RouteAttributes& route) {
    const auto* before = Before<RouteAttributes>(action);
    if (Removes(action)) {
      Line(RouteCommand(before == nullptr ? route : *before, "del"));
    } else {
      Line(RouteCommand(route, action.verb == Verb::kChange ? "replace" : "add"));
    }
    return {};
  }
  Status Do(const Action& action, const RuleAttributes& rule) {
    Line(RuleCommand(rule, Removes(action) ? "del" : "add"));
    return {};
  }
  Status Do(const Action& action, const NeighbourAttributes& neighbour) {
    Line(NeighbourCommand(neighbour, Removes(action) ? "del" : "add"));
    return {};
  }

  Status Do(const Action& action, const NatAttributes& nat) {
    const kernel::TableId table{.family = "inet", .name = nat.table};
    if (Removes(action)) {
      Line(In(nat.ns) + "nft delete table " + table.text());
      return {};
    }
    const auto rules = TRY(NatRulesFrom(nat.rules));
    for (const kernel::NatRule& rule : rules) Note(kernel::NatRuleText(rule));
    const bool own = table == kernel::NatTableId();
    const Json batch = own ? kernel::NatBatch(table, rules) : kernel::HostNatBatch(table, HostNatFrom(rules));
    Input(In(nat.ns) + "nft -j -f -", JsonText(batch));
    return {};
  }

  Status Do(const Action& action, const NftablesAttributes& nftables) {
    if (const auto* before = Before<NftablesAttributes>(action)) {
      for (const std::string& table : before->tables) Line(In(nftables.ns) + "nft delete table " + table);
    }
    if (!Removes(action)) Input(In(nftables.ns) + "nft -f -", nftables.text);
    return {};
  }

  // ---- Uplinks

  static std::string ApiSocket(const std::string& ns) { return "/run/" + ns + ".slirp4netns.sock"; }

  Status Do(const Action& action, const UplinkAttributes& uplink) {
    if (uplink.relay_only) {
      Note("its DNS relay is a part of toporun: nothing to do it by hand with");
      return {};
    }
    if (action.verb != Verb::kCreate) {
      Line("pkill -f 'slirp4netns .*" + ApiSocket(uplink.ns) + "' || true");
      Note("toporun's own helper is ended by `toporun down`");
    }
    if (Removes(action)) return {};
    for (const std::string& command : SlirpCommands(uplink, ApiSocket(uplink.ns), kNamespaces)) Line(command);
    if (!uplink.allow.empty() || !uplink.deny.empty()) {
      Note("`allow` and `deny` are toporun's own: slirp4netns has neither");
    }
    return {};
  }

  Status Do(const Action& action, const ForwardAttributes& forward) {
    if (Removes(action)) {
      Note("goes with its slirp4netns");
      return {};
    }
    if (!asks_) Line(AskFunction());
    asks_ = true;
    for (const std::string& command : HostForwardCommands(forward, ApiSocket(forward.ns))) Line(command);
    return {};
  }

  // ---- Views and processes

  Status Do(const Action& action, const ViewAttributes& view) {
    Note(Removes(action) ? "toporun's own keeper is ended by `toporun down`"
                         : "a view of its own is a keeper of toporun: by hand its processes share the host's files");
    for (const BindAttributes& bind : view.binds) Note("bind " + bind.host_path + " as " + bind.path);
    for (const std::string& path : view.tmpfs) Note("tmpfs " + path);
    return {};
  }
  Status Do(const Action& action, const ContentAttributes& content) {
    Note((Removes(action) ? "no longer in its view: " : "in its view alone: ") + content.path);
    return {};
  }
  Status Do(const Action& action, const ProcessAttributes& process) {
    if (Removes(action)) {
      Note("ended by `toporun down`");
      return {};
    }
    std::string words;
    for (const std::string& variable : process.environment) words += ShellQuote(variable) + " ";
    if (!words.empty()) words.insert(0, "env ");
    for (const std::string& word : process.command) words += ShellQuote(word) + " ";
    Line(In(process.ns) + words + "&");
    return {};
  }
  Status Do(const Action& /*action*/, const ConditionAttributes& condition) {
    Note(fmt::format("wait until {} of {} is {}", condition.process, condition.node, condition.condition));
    return {};
  }

  const Graph& wish_;
  std::string text_;
  std::vector<std::string> last_;  // commands for when all else stands
  bool needs_keys_ = false;
  bool asks_ = false;  // the function to do it with stands above
};

}  // namespace

Result<std::string> ScriptOf(const Plan& plan, const Graph& wish) { return Script(wish).Write(plan); }

}  // namespace runner
