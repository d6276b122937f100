#include "kernel/nat.h"

#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "base/text.h"

namespace runner::kernel {
namespace {

// Comments are at most 128 bytes, the final zero among them.
constexpr std::size_t kLongestComment = 127;

const char* TransportName(Transport protocol) { return protocol == Transport::kTcp ? "tcp" : "udp"; }
const char* IpName(Family family) { return family == Family::kIpv6 ? "ip6" : "ip"; }

Json Match(Json left, Json right, const char* op = "==") {
  return {{"match", {{"op", op}, {"left", std::move(left)}, {"right", std::move(right)}}}};
}

Json Payload(const char* protocol, const char* field) {
  return {{"payload", {{"protocol", protocol}, {"field", field}}}};
}

/// A name is that interface alone: a `*` at its end would stand for any ending.
Json MatchInterface(const char* key, std::string name, const char* op = "==") {
  if (name.ends_with('*')) name.insert(name.size() - 1, "\\");
  return Match({{"meta", {{"key", key}}}}, std::move(name), op);
}

Json MatchPrefix(const char* field, const IpPrefix& prefix, const char* op = "==") {
  const IpPrefix masked = prefix.Masked();
  Json value = masked.address().text();
  if (masked.length() != masked.address().bits()) {
    value = {{"prefix", {{"addr", masked.address().text()}, {"len", masked.length()}}}};
  }
  return Match(Payload(IpName(prefix.family()), field), std::move(value), op);
}

Json MatchFamily(Family family) { return Match({{"meta", {{"key", "nfproto"}}}}, std::string(FamilyName(family))); }

Json MatchPorts(Transport protocol, int first, int last) {
  Json ports = first;
  if (first != last) ports = {{"range", {first, last}}};
  return Match(Payload(TransportName(protocol), "dport"), std::move(ports));
}

IpPrefix LoopbackPrefix(Family family) { return *IpPrefix::Parse(family == Family::kIpv6 ? "::1/128" : "127.0.0.0/8"); }

int LastTarget(const PortForward& forward) { return forward.to_first + (forward.last - forward.first); }

/// Chains in the order of their first rule, each with the statements of its rules.
class TableBatch {
 public:
  explicit TableBatch(const TableId& table) : table_(table) {}

  void Add(const char* chain, const std::string& comment, Json statements) {
    Json rule = Id();
    rule["chain"] = chain;
    rule["expr"] = std::move(statements);
    rule["comment"] = comment.substr(0, kLongestComment);
    if (!IsKnown(chain)) {
      chains_.push_back({{"add", {{"chain", ChainOf(chain)}}}});
      known_.emplace_back(chain);
    }
    rules_.push_back({{"add", {{"rule", std::move(rule)}}}});
  }

  Json Build() const {
    const Json table = {{"table", {{"family", table_.family}, {"name", table_.name}}}};
    // Added first, so that the delete meets a table in any case.
    Json batch = Json::array({{{"add", table}}, {{"delete", table}}});
    if (!rules_.empty()) batch.push_back({{"add", table}});
    for (const Json& chain : chains_) batch.push_back(chain);
    for (const Json& rule : rules_) batch.push_back(rule);
    return {{"nftables", std::move(batch)}};
  }

 private:
  bool IsKnown(std::string_view chain) const {
    for (const std::string& one : known_) {
      if (one == chain) return true;
    }
    return false;
  }
  Json Id() const { return {{"family", table_.family}, {"table", table_.name}}; }
  Json ChainOf(const std::string& name) const {
    // The chain bears the name of its hook.
    Json chain = Id();
    chain["name"] = name;
    chain["type"] = name == "forward" ? "filter" : "nat";
    chain["hook"] = name;
    chain["prio"] = name == "forward" ? 0 : name == "postrouting" ? 100 : -100;
    chain["policy"] = "accept";
    return chain;
  }

  TableId table_;
  Json chains_ = Json::array();
  Json rules_ = Json::array();
  std::vector<std::string> known_;
};

void AddMasquerade(TableBatch& batch, const Masquerade& rule) {
  Json statements = Json::array({MatchInterface("oifname", rule.out)});
  if (rule.source) statements.push_back(MatchPrefix("saddr", *rule.source));
  statements.push_back({{"masquerade", nullptr}});
  batch.Add("postrouting", NatRuleText(rule), std::move(statements));
}

void AddSourceNat(TableBatch& batch, const SourceNat& rule) {
  Json statements = Json::array({MatchInterface("oifname", rule.out), MatchFamily(rule.to.family())});
  if (rule.source) statements.push_back(MatchPrefix("saddr", *rule.source));
  statements.push_back({{"snat", {{"family", IpName(rule.to.family())}, {"addr", rule.to.text()}}}});
  batch.Add("postrouting", NatRuleText(rule), std::move(statements));
}

/// The match on the ports and the translation.
void AppendTranslation(Json& statements, const PortForward& rule) {
  Json target = {{"family", IpName(rule.to.family())}, {"addr", rule.to.text()}};
  if (rule.first == rule.last || rule.first == rule.to_first) {
    statements.push_back(MatchPorts(rule.protocol, rule.first, rule.last));
    if (rule.first != rule.to_first) target["port"] = rule.to_first;
  } else {
    // A range that moves: `dnat to ADDR:FIRST-LAST` would take any port of it, a map takes the one that belongs.
    Json pairs = Json::array();
    for (int port = rule.first; port <= rule.last; ++port) {
      const Json to = Json::array({rule.to.text(), rule.to_first + (port - rule.first)});
      pairs.push_back(Json::array({port, {{"concat", to}}}));
    }
    target["addr"] = {
        {"map", {{"key", Payload(TransportName(rule.protocol), "dport")}, {"data", {{"set", std::move(pairs)}}}}}};
  }
  statements.push_back({{"dnat", std::move(target)}});
}

void AddForward(TableBatch& batch, const PortForward& rule, LoopbackPorts loopback) {
  const std::string comment = NatRuleText(rule);
  const Family family = rule.to.family();
  Json to_node = Json::array({MatchFamily(family)});
  if (rule.address && !rule.address->is_unspecified()) {
    to_node.push_back(MatchPrefix("daddr", IpPrefix(*rule.address, rule.address->bits())));
  } else {
    to_node.push_back(Match({{"fib", {{"result", "type"}, {"flags", Json::array({"daddr"})}}}}, "local"));
  }

  Json arriving = Json::array();
  if (rule.in) arriving.push_back(MatchInterface("iifname", *rule.in));
  for (const Json& match : to_node) arriving.push_back(match);
  AppendTranslation(arriving, rule);
  batch.Add("prerouting", comment, std::move(arriving));
  if (rule.in) return;

  Json own = to_node;
  if (!rule.to.is_loopback() && loopback == LoopbackPorts::kClosed) {
    own.push_back(MatchPrefix("daddr", LoopbackPrefix(family), "!="));
  }
  AppendTranslation(own, rule);
  batch.Add("output", comment, std::move(own));

  if (!rule.hairpin || rule.hairpin->family() != family) return;
  batch.Add("postrouting", comment + ", from its own segment",
            Json::array({MatchPrefix("saddr", *rule.hairpin),
                         MatchPrefix("daddr", IpPrefix(rule.to, rule.to.bits())),
                         MatchPorts(rule.protocol, rule.to_first, LastTarget(rule)),
                         Match({{"ct", {{"key", "status"}}}}, "dnat", "in"),
                         {{"masquerade", nullptr}}}));
}

std::string RangeText(int first, int last) {
  return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

struct TextOf {
  std::string operator()(const Masquerade& rule) const { return "masquerade out " + rule.out + From(rule.source); }
  std::string operator()(const SourceNat& rule) const {
    return "snat out " + rule.out + From(rule.source) + " to " + rule.to.text();
  }
  std::string operator()(const PortForward& rule) const {
    const std::string host = rule.to.is_ipv6() ? "[" + rule.to.text() + "]" : rule.to.text();
    return fmt::format("forward {}{} {}{} to {}:{}", rule.in ? "in " + *rule.in + " " : "",
                       TransportName(rule.protocol), rule.address ? "at " + rule.address->text() + " " : "",
                       RangeText(rule.first, rule.last), host, RangeText(rule.to_first, LastTarget(rule)));
  }
  static std::string From(const std::optional<IpPrefix>& source) { return source ? " from " + source->text() : ""; }
};

Status RunBatch(NftWorker& worker, int ns_fd, const TableId& table, const Json& batch) {
  auto done = worker.Run(ns_fd, JsonText(batch), NftInput::kJson);
  if (done) return {};
  done.error().where = "nftables table " + Quote(table.text());
  return std::move(done).error();
}

}  // namespace

std::string NatRuleText(const NatRule& rule) { return std::visit(TextOf{}, rule); }

Json NatBatch(const TableId& table, const std::vector<NatRule>& rules) {
  TableBatch batch(table);
  for (const NatRule& rule : rules) {
    if (const auto* masquerade = std::get_if<Masquerade>(&rule)) AddMasquerade(batch, *masquerade);
    if (const auto* snat = std::get_if<SourceNat>(&rule)) AddSourceNat(batch, *snat);
    if (const auto* forward = std::get_if<PortForward>(&rule)) AddForward(batch, *forward, LoopbackPorts::kClosed);
  }
  return batch.Build();
}

Status ReplaceNat(NftWorker& worker, int ns_fd, const TableId& table, const std::vector<NatRule>& rules) {
  return RunBatch(worker, ns_fd, table, NatBatch(table, rules));
}

TableId HostTableId(std::string_view lab, std::string_view node) {
  return {.family = "inet", .name = fmt::format("toporun-{}-{}", lab, node)};
}

Json HostNatBatch(const TableId& table, const HostNat& nat) {
  TableBatch batch(table);
  for (const PortForward& port : nat.ports) AddForward(batch, port, nat.loopback);
  for (const IpPrefix& source : nat.sources) {
    batch.Add(
        "postrouting", "masquerade " + source.text(),
        Json::array(
            {MatchPrefix("saddr", source), MatchInterface("oifname", nat.interface, "!="), {{"masquerade", nullptr}}}));
  }
  if (nat.loopback == LoopbackPorts::kOpen && !nat.ports.empty()) {
    batch.Add("postrouting", "from the host's loopback",
              Json::array({MatchPrefix("saddr", LoopbackPrefix(Family::kIpv4)),
                           MatchInterface("oifname", nat.interface),
                           {{"masquerade", nullptr}}}));
  }
  const Json accept = {{"accept", nullptr}};
  const Json answers = Match({{"ct", {{"key", "state"}}}}, Json::array({"established", "related"}), "in");
  const Json forwarded = Match({{"ct", {{"key", "status"}}}}, "dnat", "in");
  batch.Add("forward", "from the uplink", Json::array({MatchInterface("iifname", nat.interface), accept}));
  batch.Add("forward", "answers to the uplink",
            Json::array({MatchInterface("oifname", nat.interface), answers, accept}));
  batch.Add("forward", "published ports", Json::array({MatchInterface("oifname", nat.interface), forwarded, accept}));
  return batch.Build();
}

Status ReplaceHostNat(NftWorker& worker, int ns_fd, const TableId& table, const HostNat& nat) {
  return RunBatch(worker, ns_fd, table, HostNatBatch(table, nat));
}

}  // namespace runner::kernel
