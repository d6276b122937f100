// Whole requests and answers over the worker's stream socket; false when the other end has gone.
#pragma once
#include <string>
#include <string_view>

#include "base/fd.h"
#include "kernel/nftables_worker.h"

namespace runner::kernel {

/// `ns_fd` goes along with it; -1 sends none.
bool SendRequest(int socket, NftRequestHead head, std::string_view interfaces, std::string_view input, int ns_fd);
bool ReceiveRequest(int socket, NftRequestHead& head, std::string& body, Fd& ns);
bool SendAnswer(int socket, NftAnswerHead head, std::string_view text);
bool ReceiveAnswer(int socket, NftAnswerHead& head, std::string& text);

}  // namespace runner::kernel
