#include "commands/complete.h"

#include <map>
#include <set>
#include <variant>

#include "commands/lab.h"
#include "commands/record.h"
#include "exec/journal.h"

namespace runner {
namespace {

constexpr std::string_view kBash = R"(# toporun for bash: source <(toporun completion bash)
_toporun() {
  local line=${COMP_LINE:0:COMP_POINT} word candidate words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  word=${words[-1]}
  COMPREPLY=()
  # bash takes a colon for the end of a word: what stands before it is there already.
  local before=${word%"${word##*:}"}
  while IFS= read -r candidate; do
    if [[ $candidate == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -f -- "$word")
    else
      COMPREPLY+=("${candidate#"$before"}")
    fi
  done < <("${words[0]}" complete-word -- "${words[@]:1}" 2>/dev/null)
}
complete -F _toporun toporun
)";

constexpr std::string_view kZsh = R"(#compdef toporun
# toporun for zsh: source <(toporun completion zsh), or as the file _toporun in a folder of $fpath
_toporun() {
  local -a candidates
  local candidate files=no
  while IFS= read -r candidate; do
    if [[ $candidate == :files ]]; then files=yes; else candidates+=("$candidate"); fi
  done < <("${words[1]}" complete-word -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  compadd -a candidates
  [[ $files == yes ]] && _files
  return 0
}
# As a file it is run for the first word already, in the function's place.
if [[ $funcstack[1] == _toporun ]]; then _toporun "$@"; else compdef _toporun toporun; fi
)";

constexpr std::string_view kFish = R"(# toporun for fish: toporun completion fish | source
function __toporun_words
    set -l words (commandline -opc) (commandline -ct)
    for candidate in ($words[1] complete-word -- $words[2..-1] 2>/dev/null)
        if test $candidate = :files
            __fish_complete_path (commandline -ct)
        else
            echo $candidate
        end
    end
end
complete -c toporun -f -a '(__toporun_words)'
)";

Record RecordOf(const Context& context, const std::string& word) {
  const auto lab = FindLab(context, word);
  if (!lab.ok() || !lab->is_up) return {};
  auto journal = Journal::Open(context.state.JournalPath(lab->name));
  return journal.ok() ? journal->record() : Record();
}

/// NODE:IFNAME of each interface that is the lab's.
std::vector<std::string> Interfaces(const Record& record) {
  std::map<NamespaceName, std::string> nodes;
  for (const RecordedPlace& place : PlacesOf(record)) nodes[place.ns_name] = place.node;
  std::vector<std::string> words;
  const auto add = [&](const NamespaceName& ns, const std::string& name) {
    const auto node = nodes.find(ns);
    if (ns.empty() || node != nodes.end()) words.push_back((ns.empty() ? "host" : node->second) + ":" + name);
  };
  for (const RecordEntry& entry : record) {
    const Attributes& attributes = entry.resource.attributes;
    if (const auto* veth = std::get_if<VethAttributes>(&attributes)) {
      add(veth->a.ns, veth->a.name);
      add(veth->b.ns, veth->b.name);
    } else if (const auto* bridge = std::get_if<BridgeAttributes>(&attributes)) {
      add(bridge->device.ns, bridge->device.name);
    } else if (const auto* tap = std::get_if<TapAttributes>(&attributes)) {
      add(tap->device.ns, tap->device.name);
    } else if (const auto* link = std::get_if<LinkAttributes>(&attributes)) {
      add(link->device.ns, link->device.name);
    } else if (const auto* physical = std::get_if<PhysicalAttributes>(&attributes)) {
      add(physical->device.ns, physical->device.name);
    } else if (const auto* uplink = std::get_if<UplinkAttributes>(&attributes)) {
      words.push_back(uplink->node + ":" + uplink->interface);
    }
  }
  return words;
}

std::vector<std::string> Nodes(const Record& record) {
  std::vector<std::string> words;
  for (const RecordedPlace& place : PlacesOf(record)) words.push_back(place.node);
  return words;
}

std::vector<std::string> WordsAt(const Context& context, const Completion& asked) {
  if (asked.place == CompletionPlace::kNothing || asked.place == CompletionPlace::kFile) return {};
  if (asked.place == CompletionPlace::kLab) {
    std::vector<std::string> labs;
    for (const auto& [name, header] : LabsThatAreUp(context.state)) labs.push_back(name);
    return labs;
  }
  const Record record = RecordOf(context, asked.lab);
  if (asked.place == CompletionPlace::kInterface) return Interfaces(record);
  std::vector<std::string> words = Nodes(record);
  if (asked.place == CompletionPlace::kNode) {
    if (!words.empty()) words.push_back("host");
    return words;
  }
  for (const RecordEntry& entry : record) {
    if (const auto* process = std::get_if<ProcessAttributes>(&entry.resource.attributes)) {
      words.push_back(process->node + "/" + process->name);
    }
  }
  return words;
}

}  // namespace

Ending Complete(const Context& context, const Completion& asked) {
  std::set<std::string> all(asked.words.begin(), asked.words.end());
  for (std::string& word : WordsAt(context, asked)) all.insert(std::move(word));
  for (const std::string& word : all) {
    if (word.starts_with(asked.begins)) *context.out << word << "\n";
  }
  if (asked.place == CompletionPlace::kFile || asked.place == CompletionPlace::kLab) *context.out << ":files\n";
  return kExitDone;
}

std::string_view CompletionScript(std::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  return shell == "fish" ? kFish : std::string_view();
}

}  // namespace runner
