#include "base/text.h"
#include "commands/commands.h"
#include "commands/drawing.h"
#include "commands/lab.h"
#include "exec/journal.h"

namespace runner {
namespace {

/// From the file; a lab whose file cannot be read any more is drawn from its record.
Result<Drawing, Errors> MakeDrawing(const Context& context, const std::string& word) {
  auto wanted = ReadWantedLab(context, word);
  if (wanted.ok()) {
    PrintWarnings(context, wanted->warnings);
    return DrawTopology(wanted->topology);
  }
  const auto lab = FindLab(context, word);
  if (!lab.ok() || !lab->is_up) return std::move(wanted).error();
  const auto journal = Journal::Open(context.state.JournalPath(lab->name));
  if (!journal.ok()) return Errors{journal.error()};
  Say(context, "note: drawn from the record: the file of " + Quote(lab->name) + " cannot be read any more");
  return DrawRecord(lab->name, journal->record());
}

}  // namespace

Ending DrawGraph(const Context& context, const GraphOptions& options) {
  if (options.format != "dot") {
    return Fail("draw as " + options.format, "this format is not built yet; --format dot is");
  }
  *context.out << DotText(TRY(MakeDrawing(context, options.lab)));
  return kExitDone;
}

}  // namespace runner
