#include "commands/watch_reading.h"

#include <algorithm>

#include "base/json.h"
#include "commands/inside.h"
#include "commands/inspect.h"
#include "kernel/netns.h"

namespace runner {
namespace {

bool IsImpaired(const Record& record, const NamespaceName& place) {
  return std::ranges::any_of(record, [&place](const RecordEntry& entry) {
    const auto* impairment = std::get_if<ImpairmentAttributes>(&entry.resource.attributes);
    return impairment != nullptr && impairment->ns == place;
  });
}

Result<std::vector<LinkCounters>> ReadPlace(const Context& inside, const Record& record, const NamespaceName& name) {
  const NamespaceDirectory directory{.path = inside.namespace_directory};
  const Namespace place = TRY(name.empty() ? Namespace::Current() : Namespace::OpenPath(directory.Path(name)));
  NetlinkSocket socket = TRY(NetlinkSocket::OpenIn(place));
  std::vector<LinkCounters> links = TRY(ReadLinkCounters(socket));
  if (!IsImpaired(record, name)) return links;
  const auto drops = TRY(ReadQueueDrops(socket));
  for (LinkCounters& link : links) {
    if (const auto found = drops.find(link.index); found != drops.end()) link.dropped += found->second;
  }
  return links;
}

Json Encode(const std::vector<LinkCounters>& links) {
  Json list = Json::array();
  for (const LinkCounters& link : links) {
    list.push_back({link.index, link.name, link.up, link.carrier, link.received, link.sent, link.dropped});
  }
  return list;
}

std::map<std::string, LinkCounters> Decode(const Json& list) {
  std::map<std::string, LinkCounters> links;
  for (const Json& one : list) {
    links[one[1].get<std::string>()] = {.index = one[0].get<int>(),
                                        .name = one[1].get<std::string>(),
                                        .up = one[2].get<bool>(),
                                        .carrier = one[3].get<bool>(),
                                        .received = one[4].get<std::uint64_t>(),
                                        .sent = one[5].get<std::uint64_t>(),
                                        .dropped = one[6].get<std::uint64_t>()};
  }
  return links;
}

Result<Json, Errors> ReadInside(const Context& inside, const std::string& lab, const Record& record,
                                const WatchWish& wish) {
  Json places = Json::array();
  for (const NamespaceName& name : wish.places) {
    // One that goes while it is read is as one that has gone: the next look tells of it.
    if (const auto links = ReadPlace(inside, record, name); links.ok()) places.push_back({name, Encode(*links)});
  }
  Json uplinks = Json::array();
  for (const std::string& node : wish.uplinks) {
    uplinks.push_back({node, LifeName(ReadUplink(inside.state.LabFolder(lab), node).life)});
  }
  Record part;
  for (const RecordEntry& entry : record) {
    const auto* process = std::get_if<ProcessAttributes>(&entry.resource.attributes);
    if (process != nullptr && wish.process_nodes.contains(process->node)) part.push_back(entry);
  }
  auto processes =
      part.empty() ? std::vector<std::vector<std::string>>{{}} : ProcessRows(ReadProcesses(inside, lab, part));
  processes.erase(processes.begin());  // the heading
  return Json{{"places", std::move(places)}, {"uplinks", std::move(uplinks)}, {"processes", std::move(processes)}};
}

}  // namespace

Result<WatchReading, Errors> ReadWatched(const Context& context, const std::string& lab, const Record& record,
                                         const WatchWish& wish) {
  const Json told = TRY(AskInLab(context, lab, Entry::kLook,
                                 [&](const Context& inside) { return ReadInside(inside, lab, record, wish); }));
  WatchReading reading;
  for (const Json& place : told["places"]) reading.places[place[0].get<std::string>()] = Decode(place[1]);
  for (const Json& uplink : told["uplinks"])
    reading.uplinks[uplink[0].get<std::string>()] = uplink[1].get<std::string>();
  for (const Json& process : told["processes"]) {
    auto cells = process.get<std::vector<std::string>>();
    const std::pair key(cells[0], cells[1]);
    // Since when is in `ps` alone.
    reading.processes[key] = {cells.begin() + 2, cells.end() - 1};
  }
  return reading;
}

}  // namespace runner
