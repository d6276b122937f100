#include "uplink/spec.h"

#include <limits>

#include <fmt/format.h>

#include "base/json.h"

namespace runner {
namespace {

// Where the supervisor's document and the helper's answers are read, a member of the wrong type is the sender's
// mistake: named, never a throw.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {
    if (!json_.is_object()) problem_ = "is not an object";
  }

  void Text(const char* key, std::string& to) {
    if (const Json* member = Member(key)) {
      if (member->is_string()) {
        to = member->get<std::string>();
      } else {
        Wrong(key, "a string");
      }
    }
  }
  void Flag(const char* key, bool& to) {
    if (const Json* member = Member(key)) {
      if (member->is_boolean()) {
        to = member->get<bool>();
      } else {
        Wrong(key, "true or false");
      }
    }
  }
  template <class T>
  void Number(const char* key, T& to, std::uint64_t max) {
    if (const Json* member = Member(key)) {
      if (member->is_number_unsigned() && member->get<std::uint64_t>() <= max) {
        to = static_cast<T>(member->get<std::uint64_t>());
      } else {
        Wrong(key, fmt::format("a number up to {}", max));
      }
    }
  }
  template <class T>
  void Parsed(const char* key, T& to) {
    if (const Json* member = Member(key)) {
      if (auto value = Parse<T>(*member)) {
        to = *value;
      } else {
        Wrong(key, "an address");
      }
    }
  }
  template <class T>
  void List(const char* key, std::vector<T>& to) {
    if (const Json* member = Member(key)) {
      if (!member->is_array()) return Wrong(key, "a list");
      for (const Json& item : *member) {
        if (auto value = Parse<T>(item)) {
          to.push_back(*value);
        } else {
          return Wrong(key, "a list of addresses");
        }
      }
    }
  }
  const Json* Member(const char* key) {
    if (!problem_.empty()) return nullptr;
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) return nullptr;
    return &*found;
  }
  const Json* Required(const char* key) {
    const Json* member = Member(key);
    if (member == nullptr && problem_.empty()) problem_ = fmt::format("has no \"{}\"", key);
    return member;
  }
  void Wrong(const char* key, const std::string& wanted) {
    if (problem_.empty()) problem_ = fmt::format("\"{}\" is not {}", key, wanted);
  }
  Status Done(const char* what) const {
    if (problem_.empty()) return {};
    return Fail(fmt::format("{} {}", what, problem_));
  }

  template <class T>
  static std::optional<T> Parse(const Json& json) {
    if (!json.is_string()) return std::nullopt;
    if constexpr (std::is_same_v<T, std::string>) {
      return json.get<std::string>();
    } else {
      return T::Parse(json.get<std::string>());
    }
  }

 private:
  const Json& json_;
  std::string problem_;
};

template <class T>
Json Texts(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(value.text());
  return list;
}

IpAddress Host(const IpPrefix& network, std::uint64_t number) {
  return network.Masked().address().Plus(number).value_or(network.address());
}

std::optional<IpAddress> Host(const std::optional<IpPrefix>& network, std::uint64_t number) {
  if (!network) return std::nullopt;
  return Host(*network, number);
}

constexpr char kSlirpName[] = "slirp";
constexpr char kRelayName[] = "relay";
constexpr std::uint64_t kNodeHost = 100;
constexpr std::uint64_t kGatewayHost = 2;
constexpr std::uint64_t kDnsHost = 3;
// The IPv6 addresses read like the IPv4 ones: ::100 is 0x100.
constexpr std::uint64_t kNodeHost6 = 0x100;

}  // namespace

IpAddress UplinkSpec::node_address() const { return Host(cidr, kNodeHost); }
IpAddress UplinkSpec::gateway() const { return Host(cidr, kGatewayHost); }
IpAddress UplinkSpec::dns_address() const { return Host(cidr, kDnsHost); }
std::optional<IpAddress> UplinkSpec::node_address6() const { return Host(ipv6, kNodeHost6); }
std::optional<IpAddress> UplinkSpec::gateway6() const { return Host(ipv6, kGatewayHost); }
std::optional<IpAddress> UplinkSpec::dns_address6() const { return Host(ipv6, kDnsHost); }

Json UplinkSpec::ToJson() const {
  Json json;
  json["kind"] = kind == Kind::kSlirp ? kSlirpName : kRelayName;
  json["lab"] = lab;
  json["node"] = node;
  json["interface"] = interface;
  json["mtu"] = mtu;
  json["mac"] = mac.text();
  json["cidr"] = cidr.text();
  if (ipv6) json["ipv6"] = ipv6->text();
  json["host_loopback"] = host_loopback;
  json["allow"] = Texts(allow);
  json["deny"] = Texts(deny);
  json["dns"] = dns;
  json["relay_addresses"] = Texts(relay_addresses);
  json["outbound"] = outbound;
  json["names"] = Json::object();
  for (const auto& [name, addresses] : names) json["names"][name] = Texts(addresses);
  json["state_folder"] = state_folder;
  json["node_path"] = node_path;
  json["holder"] = static_cast<std::uint64_t>(holder.pid);
  json["holder_start"] = holder.start_time;
  json["resolv_conf"] = resolv_conf;
  json["dns_port"] = dns_port;
  return json;
}

Result<UplinkSpec> UplinkSpec::FromJson(const Json& json) {
  UplinkSpec spec;
  Reader reader(json);
  std::string kind = kSlirpName;
  reader.Text("kind", kind);
  reader.Required("lab");
  reader.Required("node");
  reader.Required("state_folder");
  reader.Text("lab", spec.lab);
  reader.Text("node", spec.node);
  reader.Text("interface", spec.interface);
  reader.Number("mtu", spec.mtu, 65521);
  reader.Parsed("mac", spec.mac);
  reader.Parsed("cidr", spec.cidr);
  if (reader.Member("ipv6") != nullptr) reader.Parsed("ipv6", spec.ipv6.emplace());
  reader.Flag("host_loopback", spec.host_loopback);
  reader.List("allow", spec.allow);
  reader.List("deny", spec.deny);
  reader.Flag("dns", spec.dns);
  reader.List("relay_addresses", spec.relay_addresses);
  reader.List("outbound", spec.outbound);
  if (const Json* names = reader.Member("names")) {
    if (!names->is_object()) reader.Wrong("names", "an object of names");
    if (names->is_object()) {
      Reader entries(*names);
      for (const auto& [name, unused] : names->items()) entries.List(name.c_str(), spec.names[name]);
      TRY(entries.Done("the table of names"));
    }
  }
  reader.Text("state_folder", spec.state_folder);
  reader.Text("node_path", spec.node_path);
  reader.Number("holder", spec.holder.pid, std::numeric_limits<pid_t>::max());
  reader.Number("holder_start", spec.holder.start_time, std::numeric_limits<std::uint64_t>::max());
  reader.Text("resolv_conf", spec.resolv_conf);
  reader.Number("dns_port", spec.dns_port, 65535);
  if (kind != kSlirpName && kind != kRelayName) reader.Wrong("kind", "slirp or relay");
  TRY(reader.Done("the uplink"));
  if (kind == kRelayName) spec.kind = Kind::kRelay;
  if (spec.kind == Kind::kSlirp) {
    if (spec.cidr.is_ipv6()) return Fail("the uplink's \"cidr\" is not an IPv4 network");
    if (spec.ipv6 && !spec.ipv6->is_ipv6()) return Fail("the uplink's \"ipv6\" is not an IPv6 network");
    if (!spec.cidr.Contains(spec.node_address())) {
      return Fail(fmt::format("network {} has no place for the node's address {}", spec.cidr.text(),
                              spec.node_address().text()));
    }
    if (spec.ipv6 && !spec.ipv6->Contains(*spec.node_address6())) {
      return Fail(fmt::format("network {} has no place for the node's address {}", spec.ipv6->text(),
                              spec.node_address6()->text()));
    }
  }
  return spec;
}

bool CanChangeInPlace(const UplinkSpec& now, const UplinkSpec& wanted) {
  UplinkSpec changed = now;
  changed.mtu = wanted.mtu;
  changed.host_loopback = wanted.host_loopback;
  changed.allow = wanted.allow;
  changed.deny = wanted.deny;
  changed.dns = wanted.dns;
  changed.names = wanted.names;
  changed.resolv_conf = wanted.resolv_conf;
  changed.dns_port = wanted.dns_port;
  return changed == wanted;
}

std::string ForwardSpec::text() const {
  const auto range = [](std::uint16_t first, std::uint16_t last) {
    return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
  };
  const bool brackets = host_address.is_ipv6();
  return fmt::format("{}{}{}:{}:{}/{}", brackets ? "[" : "", host_address.text(), brackets ? "]" : "",
                     range(first_host_port, last_host_port), range(first_port, last_port),
                     protocol == Protocol::kTcp ? "tcp" : "udp");
}

Json ForwardSpec::ToJson() const {
  Json json;
  json["protocol"] = protocol == Protocol::kTcp ? "tcp" : "udp";
  json["host_address"] = host_address.text();
  json["host_ports"] = {first_host_port, last_host_port};
  json["target"] = target.text();
  json["ports"] = {first_port, last_port};
  return json;
}

Result<ForwardSpec> ForwardSpec::FromJson(const Json& json) {
  ForwardSpec forward;
  Reader reader(json);
  std::string protocol;
  reader.Required("protocol");
  reader.Text("protocol", protocol);
  reader.Required("host_address");
  reader.Parsed("host_address", forward.host_address);
  reader.Required("target");
  reader.Parsed("target", forward.target);
  const auto ports = [&reader](const char* key, std::uint16_t& first, std::uint16_t& last) {
    const Json* pair = reader.Required(key);
    if (pair == nullptr) return;
    const auto port = [](const Json& number) {
      return number.is_number_unsigned() && number.get<std::uint64_t>() >= 1 && number.get<std::uint64_t>() <= 65535;
    };
    if (!pair->is_array() || pair->size() != 2 || !port(pair->at(0)) || !port(pair->at(1))) {
      return reader.Wrong(key, "a pair of ports");
    }
    first = pair->at(0).get<std::uint16_t>();
    last = pair->at(1).get<std::uint16_t>();
    if (last < first) reader.Wrong(key, "a range");
  };
  ports("host_ports", forward.first_host_port, forward.last_host_port);
  ports("ports", forward.first_port, forward.last_port);
  if (protocol != "tcp" && protocol != "udp") reader.Wrong("protocol", "tcp or udp");
  TRY(reader.Done("the forward"));
  forward.protocol = protocol == "tcp" ? Protocol::kTcp : Protocol::kUdp;
  if (forward.host_address.family() != forward.target.family()) {
    return Fail(fmt::format("the forward {} leads from {} to {}: one family only, or it would accept and answer nobody",
                            forward.text(), forward.host_address.text(), forward.target.text()));
  }
  if (forward.last_host_port - forward.first_host_port != forward.last_port - forward.first_port) {
    return Fail(fmt::format("the forward {} has ranges of unequal length", forward.text()));
  }
  return forward;
}

std::string UplinkLogPath(const std::string& state_folder, const std::string& node) {
  return fmt::format("{}/uplink-{}.log", state_folder, node);
}
std::string UplinkSocketPath(const std::string& state_folder, const std::string& node) {
  return fmt::format("{}/uplink-{}.sock", state_folder, node);
}

}  // namespace runner
