#include "commands/schema.h"

#include "commands/commands.h"

namespace runner {

Ending PrintSchema(const Context& context) {
  *context.out << kSchemaText;
  return kExitDone;
}

}  // namespace runner
