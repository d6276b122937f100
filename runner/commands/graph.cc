#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sstream>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/drift.h"
#include "commands/inside.h"
#include "commands/inspect.h"
#include "commands/lab.h"
#include "commands/place.h"
#include "commands/record.h"
#include "exec/journal.h"
#include "kernel/program.h"
#include "picture/layout.h"

namespace runner {
namespace {

// Graphviz takes seconds for hundreds of boxes, and for thousands forever.
constexpr std::chrono::seconds kLayoutLimit{60};

/// From the file; a lab whose file cannot be read any more is drawn from its record.
Result<Drawing, Errors> MakeDrawing(const Context& context, const std::string& word) {
  auto wanted = ReadWantedLab(context, word);
  if (wanted.ok()) {
    PrintWarnings(context, wanted->warnings);
    Drawing drawing = DrawTopology(wanted->topology);
    drawing.made = "from " + wanted->source.path;
    return drawing;
  }
  const auto lab = FindLab(context, word);
  if (!lab.ok() || !lab->is_up) return std::move(wanted).error();
  const auto journal = Journal::Open(context.state.JournalPath(lab->name));
  if (!journal.ok()) return Errors{journal.error()};
  Say(context, "note: drawn from the record: the file of " + Quote(lab->name) + " cannot be read any more");
  Drawing drawing = DrawRecord(lab->name, journal->record());
  drawing.made = "from the record";
  return drawing;
}

Result<Layout> LayOut(const Drawing& drawing) {
  const std::vector<std::string> dot = {"dot", "-Tjson0"};
  auto answer = kernel::RunProgram(dot, LayoutRequest(drawing), kLayoutLimit);
  if (!answer.ok()) {
    Error error = std::move(answer).error();
    if (error.code == ENOENT) {
      error.why = "Graphviz is not installed: apt-get install graphviz, or take --format mermaid, ascii or dot";
    } else if (error.code == ETIMEDOUT) {
      error.why =
          fmt::format("no layout for {} within {} s; --format dot can be given to other programs of Graphviz (sfdp)",
                      Counted(drawing.boxes.size(), "node"), kLayoutLimit.count());
    }
    return error;
  }
  if (answer->status != 0) {
    return Fail("lay the picture out", fmt::format("`dot` ended with {}: {}", answer->status, answer->err));
  }
  return ReadLayout(drawing, answer->out);
}

// ---- How the lab is now

/// The node that an object's name begins with, "r1/eth0"; of a cable, "r1:eth0--r2:eth0", both.
std::vector<std::string> PlacesOfObject(const std::string& name) {
  const auto head = [](const std::string& text) { return text.substr(0, text.find_first_of("/:")); };
  const std::size_t between = name.find("--");
  if (between == std::string::npos) return {head(name)};
  return {head(name.substr(0, between)), head(name.substr(between + 2))};
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

/// {places: {NAME: {gone, lines}}, drift: [{places, line}]}
Result<Json> LookAtLab(const Context& inside, const LabPlaces& places) {
  const LabView view = TRY(ViewLab(inside, places));
  Json out = {{"places", Json::object()}, {"drift", Json::array()}};
  for (const PlaceView& place : view.places) {
    out["places"][place.node] = {{"gone", place.is_gone}, {"lines", LinesOf(PlaceText(place))}};
  }
  const Journal journal = TRY(OpenRecord(inside, places.lab, Access::kLook));
  for (const Drift& drift : TRY(DriftOf(inside, places.lab, journal.record()))) {
    const std::vector<std::string> row = DriftRow(drift);
    out["drift"].push_back({{"places", PlacesOfObject(drift.id.name)}, {"line", row[1] + ": " + row[2]}});
  }
  return out;
}

void MarkDrift(DrawnBox& box, const Json& live) {
  if (const auto place = live["places"].find(box.name); place != live["places"].end()) {
    box.state = (*place)["gone"].get<bool>() ? DrawnBox::State::kGone : DrawnBox::State::kAsRecorded;
    box.sections.insert(box.sections.begin(),
                        {.title = "now", .lines = (*place)["lines"].get<std::vector<std::string>>()});
  }
  DrawnSection drift{.title = "not as recorded"};
  for (const Json& one : live["drift"]) {
    const auto names = one["places"].get<std::vector<std::string>>();
    if (std::ranges::find(names, box.name) != names.end()) drift.lines.push_back(one["line"].get<std::string>());
  }
  if (drift.lines.empty()) return;
  if (box.state != DrawnBox::State::kGone) box.state = DrawnBox::State::kDrifted;
  box.sections.insert(box.sections.begin(), std::move(drift));
}

/// What a lab that is up is like now, for a page.
Result<void, Errors> AddLive(const Context& context, const std::string& word, Drawing& drawing) {
  const LabName lab = TRY(FindLab(context, word));
  if (!lab.is_up) return {};
  const LabPlaces places = TRY(FindPlaces(context, word));
  const Json live = TRY(AskInLab(context, places.lab, Entry::kLook, [&](const Context& inside) -> Result<Json, Errors> {
    auto seen = LookAtLab(inside, places);
    if (!seen.ok()) return Errors{std::move(seen).error()};
    return std::move(*seen);
  }));
  for (DrawnBox& box : drawing.boxes) MarkDrift(box, live);
  drawing.made += ", as it is now";
  return {};
}

}  // namespace

Ending DrawGraph(const Context& context, const GraphOptions& options) {
  Drawing drawing = TRY(MakeDrawing(context, options.lab));
  if (options.format == "dot") {
    *context.out << DotText(drawing);
  } else if (options.format == "mermaid") {
    *context.out << MermaidText(drawing);
  } else if (options.format == "ascii") {
    *context.out << TreeText(drawing);
  } else if (options.format == "html") {
    TRY(AddLive(context, options.lab, drawing));
    *context.out << PageText(drawing, TRY(LayOut(drawing)));
  } else {
    *context.out << SvgText(drawing, TRY(LayOut(drawing)));
  }
  return kExitDone;
}

}  // namespace runner
