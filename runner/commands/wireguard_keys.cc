#include "commands/wireguard_keys.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/text.h"
#include "exec/key_ring.h"
#include "kernel/link.h"
#include "kernel/mark.h"
#include "kernel/wireguard.h"
#include "topology/load.h"

namespace runner {
namespace {

/// Relative paths start at the file's folder, or with standard input at the current one.
std::string PathFrom(const Source& source, const std::string& path) {
  const std::filesystem::path given(path);
  if (given.is_absolute() || source.path == "-") return path;
  return (std::filesystem::path(source.path).parent_path() / given).string();
}

/// The error never shows what stands in the file.
Result<WireguardKey> ReadKeyFile(const std::string& path) {
  std::string text = TRY(ReadFile(path));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  const auto key = WireguardKey::Parse(text);
  if (!key) return Fail("read the key in " + Quote(path), "it holds no key as `wg genkey` or `wg genpsk` prints it");
  return *key;
}

class Reader {
 public:
  Reader(const Context& context, const WantedLab& wanted, KeyRing& ring, NewKeys new_keys)
      : context_(context), wanted_(wanted), ring_(ring), new_keys_(new_keys) {}

  void ReadAll() {
    for (const Node& node : wanted_.topology.nodes) {
      for (const Interface& interface : node.interfaces) {
        const auto* wireguard = std::get_if<Wireguard>(&interface.type);
        if (wireguard != nullptr) ReadOne(node, interface, *wireguard);
      }
    }
  }

  Errors& errors() { return errors_; }
  /// By NODE:IFNAME.
  const std::map<std::string, WireguardKey>& private_keys() const { return private_; }
  /// By path as the file writes it.
  const std::map<std::string, WireguardKey>& shared_keys() const { return shared_; }

 private:
  void Tell(Error error, const std::string& device, Position at) {
    error.where = "interface " + Quote(device);
    if (!error.at.known()) error.at = at;
    errors_.push_back(std::move(error));
  }

  void ReadOne(const Node& node, const Interface& interface, const Wireguard& wireguard) {
    const std::string device = node.name + ":" + interface.name;
    const Position at = interface.type_at.known() ? interface.type_at : interface.at;
    auto key = PrivateKey(node, interface, wireguard, device);
    if (!key.ok()) {
      Tell(std::move(key).error(), device, at);
    } else if (*key) {
      private_.emplace(device, **key);
    }
    for (const WireguardPeer& peer : wireguard.peers) {
      const std::string& path = peer.preshared_key_file;
      if (path.empty() || shared_.contains(path)) continue;
      auto shared = ReadKeyFile(PathFrom(wanted_.source, path));
      if (!shared.ok()) {
        Tell(std::move(shared).error(), device, peer.at);
      } else {
        shared_.emplace(path, *shared);
      }
    }
  }

  /// Nothing where it is yet to be made.
  Result<std::optional<WireguardKey>> PrivateKey(const Node& node, const Interface& interface,
                                                 const Wireguard& wireguard, const std::string& device) {
    if (!wireguard.private_key_file.empty()) {
      return std::optional(TRY(ReadKeyFile(PathFrom(wanted_.source, wireguard.private_key_file))));
    }
    if (!wireguard.auto_key) return std::optional(TRY(WrittenKey(wireguard.private_key)));
    if (const auto made = ring_.FindMade(device)) return made;
    // Where only the lab's folder was lost, what stands has the key still.
    auto key = TRY(KeyInKernel(node.name, interface.name));
    if (!key && new_keys_ == NewKeys::kMade) key = TRY(MakePrivateKey());
    if (key) ring_.AddMade(device, *key);
    return key;
  }

  Result<WireguardKey> WrittenKey(const std::string& text) const {
    if (text == kSecretPlace) {
      return Fail("read `private_key`", "it was left out when the file was printed; write it there again");
    }
    for (const auto& [name, value] : wanted_.set) {
      if (value.find(text) == std::string::npos) continue;
      return Fail("read `private_key`", "the value of --set " + name +
                                            " would stand in the lab's record; take it from the environment, or use "
                                            "`private_key_file`");
    }
    const auto key = WireguardKey::Parse(text);
    // The loader has seen that it is one.
    return key ? Result<WireguardKey>(*key) : Fail("read `private_key`", "it is no key");
  }

  Result<std::optional<WireguardKey>> KeyInKernel(const std::string& node, const std::string& interface) const {
    const std::optional<WireguardKey> none;
    const std::string& lab = wanted_.topology.name;
    const auto place = Namespace::OpenPath(context_.namespace_directory + "/" + lab + "." + node);
    if (!place.ok()) return none;  // It is yet to be made too, or another error tells.
    NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(*place));
    const auto links = TRY(ReadLinks(socket));
    const auto loopback = std::ranges::find_if(links, &LinkInfo::loopback);
    const auto mark = loopback == links.end() ? std::nullopt : ParseNamespaceMark(loopback->alias);
    const auto link = std::ranges::find(links, interface, &LinkInfo::name);
    const bool ours = mark && mark->lab == lab && mark->node == node;
    if (!ours || link == links.end() || link->kind != "wireguard") return none;
    const WireguardInfo info = TRY(TRY(WireguardSocket::OpenIn(*place)).Read(link->index));
    return info.private_key.is_zero() ? none : std::optional(info.private_key);
  }

  const Context& context_;
  const WantedLab& wanted_;
  KeyRing& ring_;
  const NewKeys new_keys_;
  std::map<std::string, WireguardKey> private_;
  std::map<std::string, WireguardKey> shared_;
  Errors errors_;
};

/// Gives the ring each key's public half. Only what it does not know yet is asked of the kernel.
Status NameKeys(const std::map<std::string, WireguardKey>& keys, KeyRing& ring) {
  std::vector<WireguardKey> fresh;
  for (const auto& [device, key] : keys) {
    if (!ring.NameOf(key)) fresh.push_back(key);
  }
  const std::vector<WireguardKey> halves = TRY(DerivePublicKeys(fresh));
  for (std::size_t i = 0; i < halves.size(); ++i) ring.Add(halves[i].text(), fresh[i]);
  return {};
}

/// What a roll-back may have to set again.
std::set<std::string> NamesIn(const Record& record) {
  std::set<std::string> names;
  for (const RecordEntry& entry : record) {
    if (const auto* peer = std::get_if<PeerAttributes>(&entry.resource.attributes)) names.insert(peer->preshared_key);
    const auto* link = std::get_if<LinkAttributes>(&entry.resource.attributes);
    if (link == nullptr || link->type != "wireguard") continue;
    for (const OptionAttributes& option : link->options) {
      if (option.name == "public_key") names.insert(option.value);
    }
  }
  return names;
}

}  // namespace

Result<void, Errors> ReadWireguardKeys(const Context& context, const WantedLab& wanted, const Record& record,
                                       NewKeys new_keys, GraphInputs& inputs) {
  auto ring = KeyRing::Load(context.state, wanted.topology.name);
  if (!ring.ok()) return Errors{std::move(ring).error()};
  Reader reader(context, wanted, *ring, new_keys);
  reader.ReadAll();
  if (!reader.errors().empty()) return std::move(reader.errors());
  if (Status named = NameKeys(reader.private_keys(), *ring); !named.ok()) {
    if (named.error().code == EOPNOTSUPP) return {};
    return Errors{std::move(named).error()};
  }
  std::set<std::string> names = NamesIn(record);
  for (const auto& [device, key] : reader.private_keys()) {
    const std::string& name = inputs.public_keys.emplace(device, ring->NameOf(key).value_or(kKeyToCome)).first->second;
    names.insert(name);
  }
  for (const auto& [path, key] : reader.shared_keys()) {
    inputs.preshared_keys.emplace(path, key.fingerprint());
    ring->Add(key.fingerprint(), key);
    names.insert(key.fingerprint());
  }
  if (new_keys != NewKeys::kMade) return {};
  ring->KeepOnly(names);
  if (Status saved = ring->Save(context.state, wanted.topology.name); !saved.ok()) {
    return Errors{std::move(saved).error()};
  }
  return {};
}

}  // namespace runner
