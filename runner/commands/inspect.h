// What a lab is now, as the kernel tells it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "commands/context.h"
#include "commands/place.h"
#include "kernel/address.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "kernel/rule.h"
#include "plan/plan.h"
#include "process/client.h"
#include "uplink/supervisor.h"

namespace runner {

struct PlaceView {
  enum class Kind { kNode, kSwitch, kHost };
  std::string node;
  std::string ns_name;  // empty for the host
  Kind kind = Kind::kNode;
  bool is_gone = false;  // recorded, and not there any more
  std::vector<LinkInfo> links = {};
  std::vector<AddressInfo> addresses = {};
  std::vector<RouteInfo> routes = {};
  std::vector<RuleInfo> rules = {};
  std::size_t processes = 0;
};

struct CableView {
  std::string id;
  std::string a;  // NODE:IFNAME
  std::string b;
};

struct UplinkView {
  std::string node;
  bool is_nat = false;
  std::string interface;
  std::optional<IpPrefix> cidr;
  UplinkState state;
};

struct ProcessView {
  std::string node;
  std::string name;
  std::optional<process::ProcessState> state;  // nothing: its keeper is gone, or does not know it
  std::optional<int> pid;                      // as the caller sees it
};
/// The declared processes on record, and what their keepers say of them now.
std::vector<ProcessView> ReadProcesses(const Context& context, const std::string& lab, const Record& record);
/// "running", "gone".
std::string PhaseText(const ProcessView& view);
Json ProcessJson(const ProcessView& view);
/// With a heading.
std::vector<std::vector<std::string>> ProcessRows(const std::vector<ProcessView>& processes);

struct LabView {
  std::string lab;
  std::string file;
  std::string since;
  std::vector<PlaceView> places = {};
  std::vector<CableView> cables = {};
  std::vector<UplinkView> uplinks = {};
  std::vector<ForwardAttributes> ports = {};
  std::vector<ProcessView> processes = {};
};

/// In the lab's own namespaces, or on the host.
Result<LabView> ViewLab(const Context& inside, const LabPlaces& places);

Json LabViewJson(const LabView& view);
std::string LabViewText(const LabView& view);
/// One place as in LabViewText.
std::string PlaceText(const PlaceView& place);

// In the words of ip(8).
std::string RouteText(const RouteInfo& route, const std::vector<LinkInfo>& links);
std::string RuleText(const RuleInfo& rule);
/// The name of an interface by its index, else "if7".
std::string LinkName(const std::vector<LinkInfo>& links, int index);

const char* LifeName(UplinkState::Life life);

}  // namespace runner
