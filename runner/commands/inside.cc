#include "commands/inside.h"

#include <unistd.h>

#include <fmt/format.h>

#include "base/json.h"
#include "base/stopwatch.h"
#include "base/text.h"
#include "commands/error_codec.h"
#include "commands/host_agent.h"
#include "process/client.h"
#include "rootless/holder.h"
#include "rootless/inside.h"

namespace runner {
namespace {

rootless::HolderPlace PlaceOf(const Context& context, const std::string& lab) {
  return {.lab = lab, .state = context.state.path};
}

bool HasRecord(const Context& context, const std::string& lab) {
  return access(context.state.JournalPath(lab).c_str(), F_OK) == 0;
}

Result<rootless::Holder> Start(const Context& context, const rootless::HolderPlace& place) {
  rootless::StartedHolder started = TRY(rootless::StartHolder(place));
  for (const std::string& missing : started.missing) Say(context, "warning: lab " + Quote(place.lab) + ": " + missing);
  return std::move(started.holder);
}

/// The holder for this entry; nothing where it does without one.
Result<std::optional<rootless::Holder>> HolderFor(const Context& context, const std::string& lab, Entry entry) {
  const rootless::HolderPlace place = PlaceOf(context, lab);
  auto holder = TRY(rootless::FindHolder(place));
  if (holder) return holder;
  // They end with it; but theirs are names that the next ones need.
  if (entry != Entry::kLook) {
    const std::string folder = context.state.LabFolder(lab);
    for (const UplinkProcess& helper : FindUplinks(lab, folder)) TRY(StopUplink(helper));
    for (const auto& keeper : process::FindKeepers(lab, folder)) TRY(process::StopKeeper(folder, keeper));
  }
  if (entry == Entry::kUse) return HolderGone(lab);
  if (entry == Entry::kUp) return std::optional(TRY(Start(context, place)));
  return holder;
}

Status EndIfUnused(const Context& context, const std::string& lab, const rootless::Holder& holder) {
  if (HasRecord(context, lab)) return {};
  for (const kernel::ProcessInfo& process : TRY(rootless::EndHolder(PlaceOf(context, lab), holder))) {
    Say(context, fmt::format("{}: ended process {} ({})", lab, process.identity.pid, process.comm));
  }
  return {};
}

Json EncodeTimes(const std::vector<TimedPart>& parts) {
  Json json = Json::array();
  for (const TimedPart& part : parts) json.push_back({part.name, part.seconds, part.times, part.within});
  return json;
}

std::vector<TimedPart> DecodeTimes(const Json& json) {
  std::vector<TimedPart> parts;
  for (const Json& part : json) {
    parts.push_back({.name = part[0].get<std::string>(),
                     .seconds = part[1].get<double>(),
                     .times = part[2].get<long>(),
                     .within = part[3].get<bool>()});
  }
  return parts;
}

/// In the process inside.
std::string DoInside(const Context& context, const std::string& lab, const rootless::Outside& outside,
                     const rootless::Holder* holder, const std::function<Result<Json, Errors>(const Context&)>& work) {
  Context inside = context;
  if (IsTiming()) StartTiming();
  inside.host_side = AskOutside(outside, holder);
  inside.state.shared = context.state.LabFolder(lab);
  auto value = work(inside);
  Json json = {{"value", value.ok() ? std::move(*value) : Json()},
               {"errors", value.ok() ? Json::array() : EncodeErrors(value.error())}};
  if (IsTiming()) json["times"] = EncodeTimes(TimedParts());
  context.err->flush();
  // Both processes write to the same streams, and each tells of its own failures.
  if (!context.out->flush())
    json["errors"].push_back(EncodeErrors({Fail("write to standard output", "it did not take all")})[0]);
  return JsonText(json);
}

Result<Json, Errors> Decode(const std::string& text) {
  auto json = ParseJson(text);
  if (!json.ok()) return Errors{std::move(json).error()};
  if (json->contains("times")) AddTimedParts(DecodeTimes((*json)["times"]));
  if (Errors errors = DecodeErrors((*json)["errors"]); !errors.empty()) return errors;
  return std::move((*json)["value"]);
}

}  // namespace

Result<Json, Errors> AskInLab(const Context& context, const std::string& lab, Entry entry,
                              const std::function<Result<Json, Errors>(const Context& inside)>& work) {
  if (context.ground == Ground::kMachine) return work(context);
  auto holder = HolderFor(context, lab, entry);
  if (!holder.ok()) return Errors{std::move(holder).error()};
  const rootless::Holder* entered = *holder ? &**holder : nullptr;
  context.out->flush();
  context.err->flush();
  const auto text = rootless::RunInside(entered, AnswerInside, [&](const rootless::Outside& outside) {
    return DoInside(context, lab, outside, entered, work);
  });
  Result<Json, Errors> result = text.ok() ? Decode(*text) : Errors{text.error()};
  const bool may_end = entry == Entry::kUp || entry == Entry::kDown;
  if (entered == nullptr || !may_end) return result;
  if (Status ended = EndIfUnused(context, lab, *entered); !ended.ok()) {
    Errors errors = result.ok() ? Errors() : std::move(result).error();
    errors.push_back(std::move(ended).error());
    return errors;
  }
  return result;
}

Ending InLab(const Context& context, const std::string& lab, Entry entry,
             const std::function<Ending(const Context& inside)>& work) {
  if (context.ground == Ground::kMachine) return work(context);
  auto result = AskInLab(context, lab, entry, [&work](const Context& inside) -> Result<Json, Errors> {
    const Ending ending = work(inside);
    return Json{{"status", ending.status()}, {"errors", EncodeErrors(ending.errors())}};
  });
  if (!result.ok()) return std::move(result).error();
  return {(*result)["status"].get<int>(), DecodeErrors((*result)["errors"])};
}

Error HolderGone(const std::string& lab) {
  return Fail("enter its namespaces", "the process that held them is gone; `toporun up " + lab +
                                          "` makes them anew, `toporun down " + lab + "` removes what is left")
      .Wrap("lab " + Quote(lab));
}

Result<bool> HasGround(const Context& context, const std::string& lab) {
  if (context.ground == Ground::kMachine) return true;
  return TRY(rootless::FindHolder(PlaceOf(context, lab))).has_value();
}

Result<std::optional<std::uint64_t>> UserNamespaceOf(const Context& context, const std::string& lab) {
  const auto holder = TRY(rootless::FindHolder(PlaceOf(context, lab)));
  if (!holder) return std::optional<std::uint64_t>();
  return std::optional(holder->record.namespaces.user);
}

Status EndStrayHolder(const Context& context, const std::string& lab) {
  if (context.ground == Ground::kMachine) return {};
  const auto holder = TRY(rootless::FindHolder(PlaceOf(context, lab)));
  if (!holder) return {};
  return EndIfUnused(context, lab, *holder);
}

}  // namespace runner
