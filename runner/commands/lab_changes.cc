#include "commands/lab_changes.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>

#include "base/text.h"
#include "base/units.h"
#include "commands/drift.h"
#include "kernel/impair.h"
#include "kernel/link.h"
#include "process/client.h"

namespace runner {
namespace {

// Longer than any grace period in a file that means to end.
constexpr std::chrono::seconds kProcessLimit{60};

/// Stands in the lab's folder as long as a test has something changed.
std::string MarkPath(const Context& context, const std::string& lab) {
  return context.state.LabFolder(lab) + "/changed-by-test";
}

NetemSettings SettingsOf(const Impairment& asked) {
  constexpr std::uint64_t kBitsPerByte = 8;
  const auto share = [](const std::optional<double>& percent) { return Share::OfPercent(percent.value_or(0)).count; };
  NetemSettings settings;
  settings.delay_ns = asked.delay_ns.value_or(0);
  settings.jitter_ns = asked.jitter_ns.value_or(0);
  settings.correlation = share(asked.correlation);
  settings.loss = share(asked.loss);
  settings.duplicate = share(asked.duplicate);
  settings.corrupt = share(asked.corrupt);
  settings.reorder = share(asked.reorder);
  settings.rate = asked.rate_bits.value_or(0) / kBitsPerByte;
  settings.limit = asked.limit.value_or(0);
  settings.seed = asked.seed;
  settings.distribution = asked.distribution;
  return settings;
}

struct OpenDevice {
  NetlinkSocket socket;
  int index = 0;
};

Result<OpenDevice> OpenIt(const Context& context, const LabPlaces& places, const std::string& node,
                          const std::string& interface) {
  const Entrance entrance = TRY(OpenEntrance(context, places, node));
  NetlinkSocket socket = TRY(entrance.place ? NetlinkSocket::OpenIn(*entrance.place) : NetlinkSocket::Open());
  const auto link = TRY(ReadLink(socket, interface));
  if (!link) return Fail("node " + Quote(node) + " has no interface " + Quote(interface));
  return OpenDevice{.socket = std::move(socket), .index = link->index};
}

Context Quietly(Context context) {
  context.verbosity = -1;
  return context;
}

}  // namespace

Status LabChanges::Remember() const { return ReplaceFile(MarkPath(context_, places_.lab), "", 0600); }

Status LabChanges::SetUp(const Device& device, bool up) const {
  OpenDevice open = TRY(OpenIt(context_, places_, device.first, device.second));
  LinkUpdate update;
  update.up = up;
  return ChangeLink(open.socket, open.index, update).Wrap("link " + Quote(device.first + ":" + device.second));
}

Status LabChanges::TakeDown(const Device& device) {
  TRY(Remember());
  has_changed_ = true;
  TRY(SetUp(device, false));
  down_.insert(device);
  return {};
}

Status LabChanges::BringUp(const std::set<Device>& devices) {
  for (const Device& device : devices) {
    down_.erase(device);
    TRY(SetUp(device, true));
  }
  // Routes and IPv6 addresses went with the link. Those that stay down are healed too, and taken down again.
  Errors errors = Heal(Quietly(context_), places_.lab, WhenInterrupted::kGoOn);
  if (!errors.empty()) return std::move(errors.front());
  for (const Device& device : down_) TRY(SetUp(device, false));
  return {};
}

Status LabChanges::Impair(const Device& device, const Impairment& impairment) {
  OpenDevice open = TRY(OpenIt(context_, places_, device.first, device.second));
  TRY(Remember());
  has_changed_ = true;
  impaired_.insert(device);
  return SetImpairment(open.socket, open.index, SettingsOf(impairment))
      .Wrap("link " + Quote(device.first + ":" + device.second));
}

Status LabChanges::Make(const LinkChange& change) {
  const Device device(change.node, change.interface);
  if (const auto* impairment = std::get_if<Impairment>(&change.set)) return Impair(device, *impairment);
  if (std::get<bool>(change.set)) return BringUp({device});
  return TakeDown(device);
}

Status LabChanges::Make(const NodeChange& change) {
  std::set<Device> devices;
  for (const Link& link : topology_.links) {
    for (const LinkEnd* end : {&link.a, &link.b}) {
      if (end->place.kind == Place::Kind::kNode && end->place.name == change.node) {
        devices.emplace(change.node, end->interface);
      }
    }
  }
  if (change.up) return BringUp(devices);
  for (const Device& device : devices) TRY(TakeDown(device));
  return {};
}

Status LabChanges::Make(const ProcessChange& change) {
  const process::Target target{
      .state_folder = context_.state.LabFolder(places_.lab), .node = change.node, .process = change.process};
  const auto has_ended = [](const process::ProcessState& state) -> Result<bool> {
    return state.phase == process::Phase::kStopped || state.phase == process::Phase::kFailed ||
           state.phase == process::Phase::kCompleted;
  };
  const auto runs = [](const process::ProcessState& state) -> Result<bool> {
    if (state.phase == process::Phase::kFailed) return Fail(process::Describe(state));
    return state.phase == process::Phase::kRunning || state.phase == process::Phase::kCompleted;
  };
  TRY(Remember());
  has_changed_ = true;
  const std::string where = "process " + Quote(change.node + "/" + change.process);
  if (change.set == "started") {
    TRY(process::ChangeProcess(target, process::Change::kStart).Wrap(where));
    return process::Await(target, runs, nullptr, kProcessLimit).Wrap(where);
  }
  if (change.set == "killed") {
    const auto before = process::ReadKeeper(places_.lab, target.state_folder, target.node);
    const process::ProcessState* was = before.Find(target.process);
    const int pid = was == nullptr ? 0 : was->pid;
    TRY(process::ChangeProcess(target, process::Change::kKill).Wrap(where));
    // Its policy may have started it again before anybody looks.
    const auto is_another = [&](const process::ProcessState& state) -> Result<bool> {
      return state.pid != pid || TRY(has_ended(state));
    };
    return process::Await(target, is_another, nullptr, kProcessLimit).Wrap(where);
  }
  TRY(process::ChangeProcess(target, process::Change::kStop).Wrap(where));
  return process::Await(target, has_ended, nullptr, kProcessLimit).Wrap(where);
}

Errors LabChanges::PutBack() {
  if (!has_changed_) return {};
  Errors errors;
  for (const Device& device : impaired_) {
    auto open = OpenIt(context_, places_, device.first, device.second);
    Status cleared = open.ok() ? ClearImpairment(open->socket, open->index) : Status(open.error());
    if (!cleared.ok()) errors.push_back(std::move(cleared).error());
  }
  down_.clear();
  impaired_.clear();
  for (Error& error : Heal(Quietly(context_), places_.lab, WhenInterrupted::kGoOn)) errors.push_back(std::move(error));
  if (!errors.empty()) return errors;
  has_changed_ = false;
  unlink(MarkPath(context_, places_.lab).c_str());
  return {};
}

Errors LabChanges::PutBackLeftovers(const Context& context, const std::string& lab) {
  const std::string mark = MarkPath(context, lab);
  if (access(mark.c_str(), F_OK) != 0) return {};
  Say(context, "a test that was killed left something changed: it is put back");
  Errors errors = Heal(Quietly(context), lab, WhenInterrupted::kGoOn);
  if (errors.empty()) unlink(mark.c_str());
  return errors;
}

}  // namespace runner
