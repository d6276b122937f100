#include "commands/declared.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace runner {

Result<std::vector<ProcessAttributes>> FindDeclared(const Record& record, const std::string& lab,
                                                    const std::string& word) {
  const std::size_t slash = word.find('/');
  const std::string node = word.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : word.substr(slash + 1);
  std::vector<ProcessAttributes> found;
  std::vector<std::string> near;
  for (const RecordEntry& entry : record) {
    const auto* process = std::get_if<ProcessAttributes>(&entry.resource.attributes);
    if (process == nullptr) continue;
    near.push_back(slash == std::string::npos ? process->node : process->node + "/" + process->name);
    const bool is_meant = word.empty() || (process->node == node && (name.empty() || process->name == name));
    if (is_meant) found.push_back(*process);
  }
  if (!found.empty() || word.empty()) return found;
  if (slash != std::string::npos) {
    return Fail("lab " + Quote(lab) + " has no process " + Quote(word) + DidYouMean(word, near));
  }
  const std::vector<RecordedPlace> places = PlacesOf(record);
  TRY(FindPlace(places, lab, node));
  return Fail("node " + Quote(node) + " of lab " + Quote(lab) + " has no declared process");
}

}  // namespace runner
