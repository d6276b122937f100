#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/inside.h"
#include "commands/lab.h"
#include "commands/override_draft.h"
#include "commands/overrides.h"
#include "commands/record.h"
#include "commands/run.h"
#include "commands/table.h"
#include "topology/impairment_words.h"

namespace runner {
namespace {

Error Usage(const std::string& where, std::string why) {
  Error error = Fail(std::move(why));
  error.where = where;
  error.failure = Failure::kUsage;
  return error;
}

struct Named {
  std::string node;
  std::string interface;
};
/// NODE:IFNAME.
Result<Named> ReadName(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    return Usage("impair", Quote(text) + " is no NODE:IFNAME (BRIDGE:PORT, host:IFNAME)");
  }
  return Named{.node = text.substr(0, colon), .interface = text.substr(colon + 1)};
}

Result<std::variant<LinkState, Impairment>, Errors> ReadWords(const std::vector<std::string>& words) {
  if (words.size() == 1) {
    for (const auto& [word, state] : {std::pair("up", LinkState::kUp), std::pair("down", LinkState::kDown),
                                      std::pair("clear", LinkState::kAsInFile)}) {
      if (words[0] == word) return std::variant<LinkState, Impairment>(state);
    }
  }
  for (const std::string& word : words) {
    if (word != "up" && word != "down" && word != "clear") continue;
    return Errors{Usage("impair", Quote(word) + " stands alone, without other words")};
  }
  if (words.size() == 1 && words[0].find('=') == std::string::npos) {
    const std::vector<std::string> alone = {"up", "down", "clear"};
    if (const std::string near = DidYouMean(words[0], alone); !near.empty()) {
      return Errors{Usage("impair", "unknown word " + Quote(words[0]) + near)};
    }
  }
  return std::variant<LinkState, Impairment>(TRY(ParseImpairment(words, "impair")));
}

/// An interface as it is now.
struct Shown {
  std::string interface;
  std::string state = "gone";  // up, down
  std::optional<ImpairmentAttributes> impairment;
};

std::optional<bool> StateIn(const Attributes& attributes, const LinkTarget& target) {
  const auto of = [&target](const DeviceAttributes& device) -> std::optional<bool> {
    return device.ns == target.ns && device.name == target.dev ? device.up : std::nullopt;
  };
  if (const auto* veth = std::get_if<VethAttributes>(&attributes)) {
    return of(veth->a) ? of(veth->a) : of(veth->b);
  }
  if (const auto* interface = std::get_if<InterfaceAttributes>(&attributes)) return of(interface->device);
  return std::nullopt;
}

/// Asks the kernel by objects of its own, whatever the record has there.
Result<std::vector<Shown>> LookAt(const Context& inside, const std::string& lab, const Record& record,
                                  const std::vector<LinkTarget>& targets) {
  std::vector<Resource> questions;
  for (const RecordEntry& entry : record) {
    if (entry.resource.kind() == Kind::kNamespace) questions.push_back(entry.resource);
  }
  const auto state_of = [](const LinkTarget& target) {
    return ResourceId{.kind = Kind::kInterface, .name = target.name};
  };
  const auto impairment_of = [](const LinkTarget& target) {
    return ResourceId{.kind = Kind::kImpairment, .name = target.name};
  };
  for (const LinkTarget& target : targets) {
    questions.push_back({.id = state_of(target),
                         .attributes = InterfaceAttributes{.device = {.ns = target.ns, .name = target.dev}},
                         .dependencies = {},
                         .at = {}});
    Resource impairment{.id = impairment_of(target),
                        .attributes = ImpairmentAttributes{.ns = target.ns, .dev = target.dev},
                        .dependencies = {},
                        .at = {}};
    // What the kernel does not tell is as recorded.
    for (const RecordEntry& entry : record) {
      if (entry.resource.id == impairment.id) impairment.attributes = entry.resource.attributes;
    }
    questions.push_back(std::move(impairment));
  }
  const Graph graph = TRY(Graph::Make(std::move(questions)));
  const auto backend = TRY(inside.open_backend(inside.backend_options(lab)));
  const Observation seen = TRY(backend->Observe(graph, {}));
  std::vector<Shown> shown;
  for (const LinkTarget& target : targets) {
    Shown one{.interface = target.name, .impairment = {}};
    if (const auto found = seen.find(state_of(target)); found != seen.end()) {
      one.state = StateIn(found->second.attributes, target).value_or(false) ? "up" : "down";
    }
    if (const auto found = seen.find(impairment_of(target)); found != seen.end()) {
      one.impairment = std::get<ImpairmentAttributes>(found->second.attributes);
    }
    shown.push_back(std::move(one));
  }
  return shown;
}

/// The interfaces that are impaired, by the file or for a while.
std::vector<LinkTarget> ImpairedIn(const Record& record) {
  std::vector<LinkTarget> targets;
  const auto add = [&targets](const std::string& name, const NamespaceName& ns, const std::string& dev) {
    const bool known = std::ranges::any_of(targets, [&name](const LinkTarget& one) { return one.name == name; });
    if (!known) targets.push_back({.ns = ns, .dev = dev, .name = name});
  };
  for (const RecordEntry& entry : record) {
    const auto* impairment = std::get_if<ImpairmentAttributes>(&entry.resource.attributes);
    if (impairment != nullptr) add(entry.resource.id.name, impairment->ns, impairment->dev);
  }
  for (const OverrideNote& note : OverridesIn(record)) add(note.interface, note.ns, note.dev);
  return targets;
}

void Print(const Context& inside, const std::string& lab, const Record& record, const std::vector<Shown>& shown,
           std::optional<bool> changed) {
  const std::vector<OverrideNote> notes = OverridesIn(record);
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const Shown& one : shown) {
    const auto* impairment = one.impairment ? &*one.impairment : nullptr;
    Json json = {{"interface", one.interface},
                 {"state", one.state},
                 {"impairment", ImpairmentJson(impairment)},
                 {"override", false},
                 {"file", Json::object()}};
    std::string file;
    for (const OverrideNote& note : notes) {
      if (note.interface != one.interface) continue;
      json["override"] = true;
      json["file"].update(note.json["file"]);
      file += (file.empty() ? "the file: " : ", ") + note.file;
    }
    rows.push_back({one.interface, one.state, ImpairmentText(impairment), file});
    list.push_back(std::move(json));
  }
  if (!inside.json()) {
    *inside.out << Table(rows);
    return;
  }
  Json json = {{"lab", lab}, {"interfaces", std::move(list)}};
  if (changed) json["changed"] = *changed;
  PrintJson(inside, json);
}

Ending Show(const Context& inside, const ImpairOptions& options, const std::string& lab, std::optional<bool> changed) {
  const Journal journal = TRY(OpenRecord(inside, lab, Access::kPlan));
  const Record& record = journal.record();
  std::vector<LinkTarget> targets;
  if (options.interface.empty()) {
    targets = ImpairedIn(record);
  } else {
    const Named named = TRY(ReadName(options.interface));
    targets.push_back(TRY(FindTarget(record, lab, named.node, named.interface)));
  }
  const std::vector<Shown> shown = TRY(LookAt(inside, lab, record, targets));
  if (!options.interface.empty() && shown.front().state == "gone") {
    return NoInterface(record, targets.front(), "look at it");
  }
  if (shown.empty()) Say(inside, lab + ": no interface is impaired");
  Print(inside, lab, record, shown, changed);
  return kExitDone;
}

}  // namespace

Ending Impair(const Context& context, const ImpairOptions& options) {
  TRY(CheckPrivilege(context));
  std::optional<LinkSetting> setting;
  if (!options.words.empty()) {
    const Named named = TRY(ReadName(options.interface));
    setting = LinkSetting{.node = named.node, .interface = named.interface, .to = TRY(ReadWords(options.words))};
  }
  const std::string lab = TRY(FindLabThatIsUp(context, options.lab));
  if (!setting) {
    return InLab(context, lab, Entry::kUse,
                 [&](const Context& inside) -> Ending { return Show(inside, options, lab, std::nullopt); });
  }
  const ChangingRun run(context);
  const LabLock lock = TRY(run.TakeLock(lab));
  return InLab(context, lab, Entry::kUse, [&](const Context& inside) -> Ending {
    const bool changed = TRY(SetLinks(inside, lab, {*setting}));
    if (!changed) Say(inside, fmt::format("{}: {} is so already: nothing to do", lab, options.interface));
    return Show(inside, options, lab, changed);
  });
}

}  // namespace runner
