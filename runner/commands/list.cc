#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/record.h"
#include "commands/table.h"

namespace runner {
namespace {

struct Listed {
  std::string lab;
  std::size_t nodes = 0;
  std::string state;
  std::string file;
  std::string since;
};

std::string StateOf(const Journal& journal, const std::string& boot_id, std::uint64_t host) {
  if (!journal.damage().empty()) return "damaged record";
  if (journal.header().boot_id != boot_id) return "gone by reboot";
  if (journal.header().host_namespace != host) return "other host";
  for (const RecordEntry& entry : journal.record()) {
    if (entry.state == RecordEntry::State::kBegun) return "incomplete";
  }
  return "up";
}

Result<Listed> LookAt(const Context& context, const std::string& lab) {
  const auto journal = Journal::Open(context.state.JournalPath(lab));
  if (!journal.ok()) return Listed{.lab = lab, .nodes = 0, .state = "unreadable record", .file = {}, .since = {}};
  Listed listed{.lab = lab, .nodes = 0, .state = {}, .file = journal->header().file, .since = journal->header().since};
  listed.state = StateOf(*journal, TRY(BootId()), TRY(HostNamespaceId()));
  for (const RecordedPlace& place : PlacesOf(journal->record())) listed.nodes += place.is_switch ? 0 : 1;
  return listed;
}

}  // namespace

Ending List(const Context& context) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "NODES", "STATE", "FILE"}};
  Json json = Json::array();
  for (const std::string& lab : context.state.Labs()) {
    const Listed listed = TRY(LookAt(context, lab));
    rows.push_back({listed.lab, std::to_string(listed.nodes), listed.state, listed.file});
    json.push_back({{"name", listed.lab},
                    {"nodes", listed.nodes},
                    {"state", listed.state},
                    {"file", listed.file},
                    {"since", listed.since}});
  }
  if (context.json()) {
    PrintJson(context, {{"labs", std::move(json)}});
  } else if (rows.size() > 1) {
    *context.out << Table(rows);
  } else {
    Say(context, "no lab is up");
  }
  return kExitDone;
}

}  // namespace runner
