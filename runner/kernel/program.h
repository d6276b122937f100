// A program of the machine's that answers a question: it is given text and gives text.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace runner::kernel {

struct ProgramAnswer {
  int status = 0;  // as a shell gives it: 128 and the number for one that a signal ended
  std::string out;
  std::string err;
};

/// Runs words[0], looked for along PATH, without a shell, and waits for its end; one that lasts longer than `limit` is
/// killed, ETIMEDOUT. ENOENT when there is none of that name.
Result<ProgramAnswer> RunProgram(const std::vector<std::string>& words, std::string_view input,
                                 std::chrono::milliseconds limit);

}  // namespace runner::kernel
