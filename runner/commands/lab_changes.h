// What a test changes of a lab that is up: links, as overrides (commands/overrides.h), and processes.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "check/changes.h"
#include "commands/overrides.h"
#include "topology/model.h"

namespace runner {

class LabChanges : public check::Changes {
 public:
  /// Inside the lab; its lock is held.
  LabChanges(const Context& context, std::string lab);

  Status Make(const LinkChange& change) override;
  Status Make(const NodeChange& change) override;
  Status Make(const ProcessChange& change) override;
  Errors PutBack() override;

  /// What a run that was killed left changed.
  static Errors PutBackLeftovers(const Context& context, const std::string& lab);

 private:
  Status Set(const std::vector<LinkSetting>& settings);
  /// To be called before each change: a run that is killed leaves it for the next.
  Status Remember(const std::vector<LinkSetting>& settings);

  const Context context_;  // says nothing of its own
  const std::string lab_;
  std::optional<Overrides> before_;  // absent: nothing is changed
  std::string remembered_;
};

}  // namespace runner
