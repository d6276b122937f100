#include "commands/place.h"

#include "base/text.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "process/client.h"

namespace runner {

Result<LabPlaces, Errors> FindPlaces(const Context& context, const std::string& word) {
  LabPlaces found;
  found.lab = TRY(FindLabThatIsUp(context, word));
  const auto journal = Journal::Open(context.state.JournalPath(found.lab)).Wrap("lab " + Quote(found.lab));
  if (!journal.ok()) return Errors{journal.error()};
  found.header = journal->header();
  found.places = PlacesOf(journal->record());
  return found;
}

Ending InPlaces(const Context& context, const LabPlaces& lab, const std::function<Ending(const Context&)>& work) {
  const auto ground = HasGround(context, lab.lab);
  if (!ground.ok()) return {kExitNoSuchPlace, {ground.error()}};
  if (!*ground) return {kExitNoSuchPlace, {HolderGone(lab.lab)}};
  return InLab(context, lab.lab, Entry::kUse, work);
}

std::string NamespacePath(const Context& context, const RecordedPlace& place) {
  return context.namespace_directory + "/" + place.ns_name;
}

Result<Entrance> OpenEntrance(const Context& context, const LabPlaces& lab, const std::string& node) {
  Entrance entrance;
  // Inside, its owner is root and would look for the records elsewhere.
  if (context.ground == Ground::kHolder) entrance.spec.environment = {{"TOPORUN_STATE_DIR", context.state.path}};
  if (node == "host") return entrance;
  const RecordedPlace place = TRY(FindPlace(lab.places, lab.lab, node));
  entrance.place = TRY(Namespace::OpenPath(NamespacePath(context, place)).Wrap("node " + Quote(node)));
  entrance.spec.ns_fd = entrance.place->fd();
  if (place.has_view) {
    entrance.keeper = TRY(process::OpenKeeper(lab.lab, context.state.LabFolder(lab.lab), node));
    entrance.spec.view_fd = entrance.keeper.get();
  }
  entrance.spec.name = place.ns_name;
  entrance.spec.files = context.files_base + "/" + place.ns_name;
  entrance.spec.host_name = place.node;
  return entrance;
}

}  // namespace runner
