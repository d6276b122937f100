// The helper's own main: `toporun uplink-helper LAB NODE`, started by the supervisor only. It takes one JSON document on
// descriptor 3, answers on descriptor 4 when it is ready, and serves until its lab is gone.
#pragma once

namespace runner {

int UplinkHelperMain(int argc, char** argv);

}  // namespace runner
