// The keys of a lab's wireguard interfaces, from where the file says; what the graph gets of them may be shown.
#pragma once
#include "commands/wish.h"

namespace runner {

/// Fills in the public key of each wireguard interface and the fingerprint of each shared key. With NewKeys::kMade the
/// secrets are put where the run, and a later one without the file, finds them (exec/key_ring.h): the lab's lock is
/// held then. Where the kernel has no WireGuard nothing is known, and the check before the first change says so.
Result<void, Errors> ReadWireguardKeys(const Context& context, const WantedLab& wanted, const Record& record,
                                       NewKeys new_keys, GraphInputs& inputs);

}  // namespace runner
