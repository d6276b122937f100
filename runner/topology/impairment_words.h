// An impairment as it is written on a command line: the words of tc-netem(8), with the keys and units of the language.
#pragma once
#include <span>
#include <string>

#include "base/error.h"
#include "topology/model.h"

namespace runner {

/// `delay 20ms loss 1%`, `delay=20ms loss=1%`; as tc(8) has it, `delay 20ms 5ms 25%` has jitter and correlation behind
/// the delay, and `random` behind `loss` says nothing more. Every mistake is told, each under `where`.
Result<Impairment, Errors> ParseImpairment(std::span<const std::string> words, const std::string& where);

}  // namespace runner
