#include "commands/evidence.h"

#include <array>
#include <filesystem>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/outside.h"

namespace runner {
namespace {

struct Look {
  const char* title;
  std::array<const char*, 8> command;
};
// The end of each command is a null.
constexpr std::array kLooks = {Look{"interfaces and their counters", {"ip", "-s", "-d", "link"}},
                               Look{"addresses", {"ip", "address"}},
                               Look{"routes", {"ip", "route", "show", "table", "all"}},
                               Look{"IPv6 routes", {"ip", "-6", "route", "show", "table", "all"}},
                               Look{"rules", {"ip", "rule"}},
                               Look{"neighbours", {"ip", "neighbour"}},
                               Look{"queues", {"tc", "-s", "qdisc"}},
                               Look{"sockets", {"ss", "-tuanp"}},
                               Look{"nftables", {"nft", "list", "ruleset"}}};
constexpr std::chrono::milliseconds kForOneLook{5000};

class Collector {
 public:
  Collector(const Context& context, const LabPlaces& places, std::string folder)
      : context_(context), places_(places), folder_(std::move(folder)) {}

  Status Collect(const check::Verdicts& verdicts, const LabCapture* capture) {
    TRY(MakeFolders(folder_));
    AddVerdicts(verdicts);
    // What is done from here on sends nothing, but takes time.
    TRY(AddPicture());
    if (capture != nullptr) AddPackets(*capture);
    TRY(Write("verdicts.json", JsonPretty(check::VerdictsJson(verdicts)) + "\n"));
    TRY(AddCommand("inspect", [this](const Context& context) { return Inspect(context, places_.lab); }));
    TRY(AddCommand("status", [this](const Context& context) { return ShowStatus(context, {.lab = places_.lab}); }));
    PlanOptions plan;
    plan.lab = places_.lab;
    TRY(AddCommand("plan", [&plan](const Context& context) { return ShowPlan(context, plan); }));
    for (const RecordedPlace& place : places_.places) TRY(AddNode(place));
    TRY(AddLogs());
    return Write("index.html", Page());
  }

 private:
  Status Write(const std::string& name, const std::string& text) const {
    return ReplaceFile(folder_ + "/" + name, text);
  }

  void AddSection(const std::string& title, const std::string& body) {
    body_ += fmt::format("<details><summary>{}</summary><pre>{}</pre></details>\n", check::XmlEscape(title),
                         EscapeLines(body));
  }

  /// As XmlEscape, but lines stay lines.
  static std::string EscapeLines(const std::string& text) {
    std::string out;
    for (const std::string_view line : Split(text, '\n')) out += check::XmlEscape(line) + "\n";
    return out;
  }

  void AddVerdicts(const check::Verdicts& verdicts) {
    body_ += "<table><tr><th>test</th><th>verdict</th><th>what was found</th></tr>\n";
    for (const check::TestVerdict& test : verdicts.tests) {
      body_ += fmt::format("<tr class=\"{1}\"><td>{0}</td><td>{1}</td><td>{2}</td></tr>\n", check::XmlEscape(test.name),
                           check::VerdictName(test.verdict), check::XmlEscape(Join(check::Explain(test), "; ")));
    }
    body_ += "</table>\n";
  }

  /// Nothing where the format cannot be had: `dot` is not installed.
  std::optional<std::string> Draw(const char* format) const {
    std::ostringstream out;
    Context context = context_;
    context.output = Output::kText;
    context.out = &out;
    if (!DrawGraph(context, {.lab = places_.lab, .format = format}).errors().empty()) return std::nullopt;
    return out.str();
  }

  Status AddPicture() {
    body_ += "<h2>the lab</h2>\n";
    const auto picture = Draw("svg");
    const auto page = picture ? Draw("html") : std::nullopt;
    if (picture && page) {
      TRY(Write("graph.svg", *picture));
      TRY(Write("graph.html", *page));
      body_ += "<p><a href=\"graph.html\"><img src=\"graph.svg\" alt=\"the lab\" style=\"max-width:100%\"></a></p>\n";
    } else if (const auto tree = Draw("ascii")) {
      body_ += fmt::format("<pre>{}</pre>\n", EscapeLines(*tree));
    }
    return {};
  }

  void AddPackets(const LabCapture& capture) {
    const auto nodes = capture.Write(folder_ + "/captures");
    body_ += "<h2>packets</h2>\n";
    if (!nodes.ok()) {
      body_ += fmt::format("<p>{}</p>\n", check::XmlEscape(nodes.error().text()));
      return;
    }
    body_ += "<table><tr><th>file</th><th>interface</th><th>packets</th><th>in the file</th></tr>\n";
    for (const CapturedNode& node : *nodes) {
      for (const CapturedInterface& interface : node.interfaces) {
        std::string count = std::to_string(interface.kept);
        if (interface.lost > 0) count += fmt::format(" ({} came too fast)", interface.lost);
        body_ += fmt::format("<tr><td><a href=\"captures/{0}\">{0}</a></td><td>{1}</td><td>{2}</td><td>{3}</td></tr>\n",
                             check::XmlEscape(node.file), check::XmlEscape(interface.name), interface.passed,
                             interface.why_not.empty() ? count : check::XmlEscape(interface.why_not));
      }
    }
    body_ += "</table>\n";
  }

  /// A command of ours, for people on the page and as JSON beside it.
  Status AddCommand(const std::string& name, const std::function<Ending(const Context&)>& command) {
    for (const Output output : {Output::kText, Output::kJson}) {
      std::ostringstream out;
      std::ostringstream rest;
      Context context = context_;
      context.output = output;
      context.out = &out;
      context.err = &rest;
      const Ending ending = command(context);
      if (!ending.errors().empty()) PrintErrors(context, ending.errors());
      if (output == Output::kJson) TRY(Write(name + ".json", out.str()));
      if (output == Output::kText) AddSection(name, out.str() + rest.str());
    }
    return {};
  }

  Status AddNode(const RecordedPlace& place) {
    const auto entrance = OpenEntrance(context_, places_, place.node);
    if (!entrance.ok()) {
      AddSection("node " + place.node, entrance.error().text());
      return {};
    }
    std::string all;
    for (const Look& look : kLooks) {
      std::vector<std::string> words;
      for (const char* word : look.command) {
        if (word != nullptr) words.emplace_back(word);
      }
      const auto output = RunAndKeep(entrance->spec, words, kForOneLook);
      all += fmt::format("# {}: {}\n", look.title, Join(words, " "));
      all += output.ok() ? output->out + output->err : output.error().text() + "\n";
      all += "\n";
    }
    TRY(Write("node-" + place.node + ".txt", all));
    AddSection("node " + place.node, all);
    return {};
  }

  Status AddLogs() {
    const std::string from = context_.state.LabFolder(places_.lab);
    std::error_code failed;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(from, failed)) {
      if (!entry.is_regular_file(failed) || entry.path().extension() != ".log") continue;
      const auto text = ReadFile(entry.path());
      if (!text.ok()) continue;  // It went meanwhile.
      TRY(Write(entry.path().filename(), *text));
      AddSection("log " + entry.path().filename().string(), *text);
    }
    return {};
  }

  std::string Page() const {
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>lab {0}</title>\n"
        "<style>body{{font-family:sans-serif;margin:2em}}pre{{overflow:auto;background:#f4f4f4;padding:1em}}"
        "td,th{{text-align:left;padding:.2em 1em;vertical-align:top}}summary{{cursor:pointer;padding:.3em 0}}"
        ".failed td{{background:#fdd}}.skipped td{{color:#666}}</style></head>\n"
        "<body><h1>lab {0}</h1><p>{1}</p>\n{2}</body></html>\n",
        check::XmlEscape(places_.lab), check::XmlEscape(places_.header.file), body_);
  }

  const Context& context_;
  const LabPlaces& places_;
  const std::string folder_;
  std::string body_;
};

}  // namespace

Status KeepEvidence(const Context& context, const LabPlaces& places, const check::Verdicts& verdicts,
                    const LabCapture* capture, const std::string& folder) {
  return Collector(context, places, folder).Collect(verdicts, capture).Wrap("evidence " + Quote(folder));
}

}  // namespace runner
