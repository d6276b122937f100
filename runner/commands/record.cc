#include "commands/record.h"
#include "kernel/boot.h"

#include <algorithm>

#include "base/text.h"

namespace runner {
namespace {

/// What a reboot takes along; files under /etc stay, and their folder.
bool IsLostByReboot(const RecordEntry& entry) {
  return entry.resource.id.kind != Kind::kFile && entry.resource.id.kind != Kind::kFolder;
}

Result<Journal> AfterReboot(Journal journal, Access access) {
  if (access == Access::kWrite) {
    const Record before = journal.record();
    for (const RecordEntry& entry : before) {
      if (IsLostByReboot(entry)) TRY(journal.Gone(entry.resource.id));
    }
    return journal;
  }
  Journal kept = Journal::InMemory();
  TRY(kept.SetHeader(journal.header()));
  for (const RecordEntry& entry : journal.record()) {
    if (IsLostByReboot(entry)) continue;
    TRY(kept.Begin(entry.resource, entry.former));
    TRY(kept.Made(entry.resource.id, entry.resource.attributes));
  }
  return kept;
}

Error OtherHost(const std::string& lab) {
  Error error =
      Fail("use its record", "it was brought up from another network namespace: `host` means another one there");
  error.where = "lab " + Quote(lab);
  error.failure = Failure::kConflict;
  return error;
}

Error OtherGround(const std::string& lab, const LabHeader& header) {
  Error error = Fail("use its record", header.is_rootless ? "it is rootless; --rootless works on it, outside of it"
                                                          : "it was brought up as root; --root works on it");
  error.where = "lab " + Quote(lab);
  error.failure = Failure::kConflict;
  return error;
}

}  // namespace

Result<Journal> OpenRecord(const Context& context, const std::string& lab, Access access) {
  Journal journal = TRY(Journal::Open(context.state.JournalPath(lab)).Wrap("lab " + Quote(lab)));
  if (!journal.exists()) return journal;
  if (!journal.damage().empty()) Say(context, "warning: lab " + Quote(lab) + ": " + journal.damage());
  const LabHeader& header = journal.header();
  // Cut off in its first line: nothing says that it is another boot's or host's.
  if (header.lab.empty()) return journal;
  if (header.is_rootless != (context.ground == Ground::kHolder)) return OtherGround(lab, header);
  const bool is_other_host = header.host_namespace != TRY(HostNamespaceId());
  // A rootless lab whose host is another than before has lost its holder, and with it what a reboot takes.
  if (header.boot_id != TRY(BootId()) || (is_other_host && header.is_rootless)) {
    if (access == Access::kLook) return journal;
    return AfterReboot(std::move(journal), access);
  }
  if (is_other_host) return OtherHost(lab);
  return journal;
}

std::vector<RecordedPlace> PlacesOf(const Record& record) {
  std::vector<RecordedPlace> places;
  for (const RecordEntry& entry : record) {
    const auto* ns = std::get_if<NamespaceAttributes>(&entry.resource.attributes);
    if (ns == nullptr) continue;
    places.push_back(
        {.node = ns->node, .ns_name = ns->name, .is_switch = ns->is_switch, .is_attached = !ns->attach.empty()});
  }
  for (const RecordEntry& entry : record) {
    const auto* view = std::get_if<ViewAttributes>(&entry.resource.attributes);
    if (view == nullptr) continue;
    const auto place = std::ranges::find(places, view->node, &RecordedPlace::node);
    if (place != places.end()) place->has_view = true;
  }
  std::stable_partition(places.begin(), places.end(), [](const RecordedPlace& place) { return !place.is_switch; });
  return places;
}

Result<RecordedPlace> FindPlace(const std::vector<RecordedPlace>& places, const std::string& lab,
                                const std::string& node) {
  const auto found = std::ranges::find(places, node, &RecordedPlace::node);
  if (found != places.end()) return *found;
  std::vector<std::string> names = {"host"};
  for (const RecordedPlace& place : places) names.push_back(place.node);
  return Fail("lab " + Quote(lab) + " has no node " + Quote(node) + DidYouMean(node, names));
}

}  // namespace runner
