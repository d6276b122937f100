// Landlock: the kernel's own denial of files to a process, without any privilege.
#pragma once
#include "base/error.h"

namespace runner {

/// The version of the kernel's interface; 0 where it has none or it is off.
int LandlockVersion();

/// Denies every file that is not open yet and, where the kernel can (version 6), abstract sockets and signals of
/// others, for the rest of this process's life; it has given up new privileges before. The error's code is ENOSYS or
/// EOPNOTSUPP where the kernel has no Landlock.
Status DenyFiles();

}  // namespace runner
