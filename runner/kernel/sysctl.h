// Kernel settings below /proc/sys/net, of the namespace that the CALLING THREAD is in.
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"

namespace runner {

/// The file of a key, as sysctl(8) reads keys: the first separator decides. After "net.", dots separate and a slash
/// stands for a dot in a name ("net.ipv4.conf.eth0/1.rp_filter"); after "net/", slashes separate and dots are dots.
/// Fails for what is not below net, and for a way out of it.
Result<std::string> SysctlPath(std::string_view key);

/// The value without white space around, one space for tabs and spaces within: as it is compared.
std::string NormaliseSysctl(std::string_view value);

/// Whether two values mean the same: besides white space, a number may be written in octal or hex
/// (net.ipv4.tcp_fastopen is told 0x403, and says 1027).
bool SameSysctl(std::string_view a, std::string_view b);

Result<std::string> ReadSysctl(std::string_view key);

/// Writes and reads back: some settings take less than they are given and don't say so.
Status WriteSysctl(std::string_view key, std::string_view value);

}  // namespace runner
