#include "commands/overrides.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/override_draft.h"
#include "commands/record.h"
#include "commands/run.h"

namespace runner {
namespace {

Error Gone(const std::string& lab, const LinkTarget& target) {
  Error error = Fail("change it", "it is gone; `toporun status --heal " + lab + "` puts it back");
  error.where = target.name;
  return error;
}

/// Looks at the interfaces that are to be changed: what is gone cannot be.
Result<void, Errors> CheckThere(Backend& backend, const std::string& lab, const Record& record,
                                const OverrideDraft& draft) {
  auto probe = Graph::Make(draft.probe());
  if (!probe.ok()) return Errors{std::move(probe).error()};
  const auto seen = backend.Observe(*probe, {});
  if (!seen.ok()) return Errors{seen.error()};
  Errors errors;
  for (const auto& [target, id] : draft.probed()) {
    const auto found = seen->find(id);
    const auto* veth = found == seen->end() ? nullptr : std::get_if<VethAttributes>(&found->second.attributes);
    if (found != seen->end() && (veth == nullptr || veth->joined)) continue;
    const bool is_recorded =
        std::ranges::any_of(record, [&wanted = id](const RecordEntry& one) { return one.resource.id == wanted; });
    errors.push_back(is_recorded ? Gone(lab, target) : NoInterface(record, target, "change it"));
  }
  if (!errors.empty()) return errors;
  return {};
}

Result<bool, Errors> Change(const Context& inside, const std::string& lab, WhenInterrupted interrupted,
                            const std::function<Result<void, Errors>(OverrideDraft&)>& edit) {
  ChangingRun run(inside);
  auto journal = OpenRecord(inside, lab, Access::kWrite);
  if (!journal.ok()) return Errors{std::move(journal).error()};
  const Record record = journal->record();
  OverrideDraft draft(lab, record);
  TRY(edit(draft));
  if (draft.touched().empty()) return false;
  auto backend = run.OpenBackend(lab);
  if (!backend.ok()) return Errors{std::move(backend).error()};
  TRY(CheckThere(**backend, lab, record, draft));
  const ResourceIds only = draft.touched();
  auto wish = std::move(draft).Finish();
  if (!wish.ok()) return Errors{std::move(wish).error()};
  Hooks hooks = run.hooks();
  if (interrupted == WhenInterrupted::kGoOn) hooks.interrupted = [] { return false; };
  const Outcome outcome =
      Converge(*wish, Purpose::kUp, **backend, *journal, journal->header(), AfterFailure::kRollBack, hooks, &only);
  run.EndProgress();
  if (Errors errors = ErrorsOf(outcome); !errors.empty()) return errors;
  return outcome.changed;
}

// ---- What is told of them

using Words = std::vector<std::pair<std::string, std::string>>;

/// Key and value as the language has them; what is not asked for is left out.
Words WordsOf(const ImpairmentAttributes& impairment) {
  Words words;
  const auto add = [&words](const char* key, const auto& value) {
    if (value != std::remove_cvref_t<decltype(value)>{}) words.emplace_back(key, value.text());
  };
  add("delay", impairment.delay);
  add("jitter", impairment.jitter);
  add("correlation", impairment.correlation);
  if (!impairment.distribution.empty()) words.emplace_back("distribution", impairment.distribution);
  add("loss", impairment.loss);
  add("duplicate", impairment.duplicate);
  add("corrupt", impairment.corrupt);
  add("reorder", impairment.reorder);
  add("rate", impairment.rate);
  if (impairment.limit) words.emplace_back("limit", std::to_string(*impairment.limit));
  if (impairment.seed) words.emplace_back("seed", std::to_string(*impairment.seed));
  return words;
}

std::string EndText(const NamespaceName& ns, const std::string& dev) {
  // Neither a lab's nor a node's name has a dot.
  return (ns.empty() ? "host" : ns.substr(ns.find('.') + 1)) + ":" + dev;
}

const char* StateText(std::optional<bool> up) { return up.value_or(true) ? "up" : "down"; }

void NoteState(const NamespaceName& ns, const std::string& dev, std::optional<bool> now, std::optional<bool> file,
               std::vector<OverrideNote>& out) {
  if (now == file) return;
  OverrideNote note{
      .ns = ns, .dev = dev, .interface = EndText(ns, dev), .now = StateText(now), .file = StateText(file), .json = {}};
  note.json = {{"interface", note.interface}, {"now", {{"state", note.now}}}, {"file", {{"state", note.file}}}};
  out.push_back(std::move(note));
}

void NoteDevice(const DeviceAttributes& now, const DeviceAttributes* file, std::vector<OverrideNote>& out) {
  NoteState(now.ns, now.name, now.up, file == nullptr ? std::nullopt : file->up, out);
}

void NoteImpairment(const ImpairmentAttributes& now, const ImpairmentAttributes* file, std::vector<OverrideNote>& out) {
  OverrideNote note{.ns = now.ns,
                    .dev = now.dev,
                    .interface = EndText(now.ns, now.dev),
                    .now = ImpairmentText(&now),
                    .file = ImpairmentText(file),
                    .json = {}};
  note.json = {{"interface", note.interface},
               {"now", {{"impairment", ImpairmentJson(&now)}}},
               {"file", {{"impairment", ImpairmentJson(file)}}}};
  out.push_back(std::move(note));
}

struct Teller {
  const Attributes* declared;
  std::vector<OverrideNote>& out;

  template <class T>
  const T* File() const {
    return declared == nullptr ? nullptr : std::get_if<T>(declared);
  }
  void operator()(const VethAttributes& now) const {
    const auto* file = File<VethAttributes>();
    NoteDevice(now.a, file == nullptr ? nullptr : &file->a, out);
    NoteDevice(now.b, file == nullptr ? nullptr : &file->b, out);
  }
  void operator()(const ActivationAttributes& now) const {
    const auto* file = File<ActivationAttributes>();
    NoteState(now.ns, now.dev, now.up, file == nullptr ? std::nullopt : std::optional(file->up), out);
  }
  void operator()(const ImpairmentAttributes& now) const { NoteImpairment(now, File<ImpairmentAttributes>(), out); }
  void operator()(const LinkAttributes& now) const { Device(now); }
  void operator()(const TapAttributes& now) const { Device(now); }
  void operator()(const InterfaceAttributes& now) const { Device(now); }
  template <class T>
  void operator()(const T& /*never overridden*/) const {}
  template <class T>
  void Device(const T& now) const {
    const auto* file = File<T>();
    NoteDevice(now.device, file == nullptr ? nullptr : &file->device, out);
  }
};

}  // namespace

Result<bool, Errors> SetLinks(const Context& inside, const std::string& lab, const std::vector<LinkSetting>& settings) {
  return Change(inside, lab, WhenInterrupted::kStop, [&](OverrideDraft& draft) -> Result<void, Errors> {
    Errors errors;
    for (const LinkSetting& setting : settings) {
      if (Status set = draft.Set(setting); !set.ok()) errors.push_back(std::move(set).error());
    }
    if (!errors.empty()) return errors;
    return {};
  });
}

Result<std::vector<LinkSetting>, Errors> LinksOfNode(const Context& inside, const std::string& lab,
                                                     const std::string& node, LinkState to) {
  const auto journal = OpenRecord(inside, lab, Access::kPlan);
  if (!journal.ok()) return Errors{journal.error()};
  const Record& record = journal->record();
  const auto place = FindPlace(PlacesOf(record), lab, node);
  if (!place.ok()) return Errors{place.error()};
  std::vector<LinkSetting> settings;
  for (const RecordEntry& entry : record) {
    const auto* veth = std::get_if<VethAttributes>(&entry.resource.attributes);
    if (veth == nullptr) continue;
    for (const DeviceAttributes* end : {&veth->a, &veth->b}) {
      if (end->ns == place->ns_name) settings.push_back({.node = node, .interface = end->name, .to = to});
    }
  }
  return settings;
}

Result<Overrides, Errors> ReadOverrides(const Context& inside, const std::string& lab) {
  const auto journal = OpenRecord(inside, lab, Access::kPlan);
  if (!journal.ok()) return Errors{journal.error()};
  Overrides overrides;
  for (const RecordEntry& entry : journal->record()) {
    if (entry.resource.overridden) overrides.push_back(entry.resource);
  }
  return overrides;
}

Result<bool, Errors> PutBack(const Context& inside, const std::string& lab, const Overrides& before,
                             WhenInterrupted interrupted) {
  return Change(inside, lab, interrupted, [&before](OverrideDraft& draft) -> Result<void, Errors> {
    draft.Restore(before);
    return {};
  });
}

std::string ImpairmentText(const ImpairmentAttributes* impairment) {
  std::string out;
  if (impairment != nullptr) {
    for (const auto& [key, value] : WordsOf(*impairment))
      out += fmt::format("{}{} {}", out.empty() ? "" : " ", key, value);
  }
  return out.empty() ? "nothing" : out;
}

Json ImpairmentJson(const ImpairmentAttributes* impairment) {
  Json json = nullptr;
  if (impairment == nullptr) return json;
  for (const auto& [key, value] : WordsOf(*impairment)) {
    if (key == "limit" || key == "seed") {
      json[key] = ParseInteger(value).value_or(0);
    } else {
      json[key] = value;
    }
  }
  return json;
}

std::vector<std::string> OverrideNote::Row() const {
  return {"! ", interface, fmt::format("{} by `toporun impair`; the file: {}", now, file)};
}

std::vector<OverrideNote> OverridesIn(const Record& record) {
  std::vector<OverrideNote> notes;
  for (const RecordEntry& entry : record) {
    if (!entry.resource.overridden) continue;
    const auto& declared = entry.resource.overridden->declared;
    std::visit(Teller{declared ? &*declared : nullptr, notes}, entry.resource.attributes);
  }
  return notes;
}

}  // namespace runner
