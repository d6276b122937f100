#include "kernel/enter_shell.h"

#include "commands/commands.h"
#include "commands/place.h"

namespace runner {

Ending Shell(const Context& context, const std::string& lab, const std::string& node) {
  const auto refuse = [](Errors errors) { return Ending(kExitNoSuchPlace, std::move(errors)); };
  if (Status privilege = CheckPrivilege(context); !privilege.ok()) return refuse({std::move(privilege).error()});
  auto places = FindPlaces(context, lab);
  if (!places.ok()) return refuse(std::move(places).error());
  return InPlaces(context, *places, [&](const Context& inside) -> Ending {
    auto entrance = OpenEntrance(inside, *places, node);
    if (!entrance.ok()) return refuse({std::move(entrance).error()});
    auto status = kernel::InteractiveShell(entrance->spec, places->lab, node);
    if (!status.ok()) return refuse({std::move(status).error()});
    return *status;
  });
}

}  // namespace runner
