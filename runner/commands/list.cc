#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/inside.h"
#include "commands/record.h"
#include "commands/table.h"
#include "kernel/boot.h"

namespace runner {
namespace {

struct Listed {
  std::string lab;
  std::size_t nodes = 0;
  std::string state;
  std::string file;
  std::string since;
};

Result<std::string> StateOf(const Context& context, const Journal& journal, const std::string& boot_id,
                            std::uint64_t host) {
  if (!journal.damage().empty()) return std::string("damaged record");
  if (journal.header().boot_id != boot_id) return std::string("gone by reboot");
  if (journal.header().is_rootless != (context.ground == Ground::kHolder)) {
    return std::string(journal.header().is_rootless ? "rootless" : "root's");
  }
  // A rootless lab's host is its own, and goes with its holder.
  if (!TRY(HasGround(context, journal.header().lab))) return std::string("holder gone");
  if (context.ground == Ground::kMachine && journal.header().host_namespace != host) return std::string("other host");
  for (const RecordEntry& entry : journal.record()) {
    if (entry.state == RecordEntry::State::kBegun) return std::string("incomplete");
  }
  return std::string("up");
}

Result<Listed> LookAt(const Context& context, const std::string& lab) {
  const auto journal = Journal::Open(context.state.JournalPath(lab));
  if (!journal.ok()) return Listed{.lab = lab, .nodes = 0, .state = "unreadable record", .file = {}, .since = {}};
  Listed listed{.lab = lab, .nodes = 0, .state = {}, .file = journal->header().file, .since = journal->header().since};
  listed.state = TRY(StateOf(context, *journal, TRY(BootId()), TRY(HostNamespaceId())));
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
