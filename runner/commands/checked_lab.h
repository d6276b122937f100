// A lab that is up as its checks see it: who has which addresses, and a foot in each node that they look from.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "check/vantage.h"
#include "commands/outside.h"
#include "commands/place.h"
#include "topology/model.h"

namespace runner {

class CheckedLab {
 public:
  /// Inside the lab. `topology` tells the order of interfaces, where it is known; `outside` may be null, where outside
  /// is here.
  static Result<std::unique_ptr<CheckedLab>> Open(const Context& context, const LabPlaces& places,
                                                  const Topology* topology, const OutsideProcess* outside);
  CheckedLab(const CheckedLab&) = delete;
  CheckedLab& operator=(const CheckedLab&) = delete;

  const check::Lab& lab() const { return lab_; }
  /// As Lab::at, for who is done with it soon: a thousand nodes are more than may be open at once.
  Result<std::unique_ptr<check::Vantage>> Open(const std::string& place) const;

 private:
  CheckedLab(const Context& context, const LabPlaces& places, const OutsideProcess* outside);
  Result<check::Vantage*> At(const std::string& place);

  const Context& context_;
  const LabPlaces& places_;
  const OutsideProcess* outside_;
  check::Lab lab_;
  std::map<std::string, std::unique_ptr<check::Vantage>> open_;
};

}  // namespace runner
