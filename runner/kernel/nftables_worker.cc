#include "kernel/nftables_worker.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

extern "C" {
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <nftables/libnftables.h>
}

#include "base/fd.h"
#include "kernel/nftables_socket.h"

namespace runner::kernel {
namespace {

constexpr int kSocketFd = 3;
static_assert(kNftInputFd == kSocketFd + 1);

struct Answer {
  NftAnswerHead head;
  std::string text;
};

Answer Failed(std::string_view what) {
  const int code = errno;
  return {.head = {.size = 0, .status = -1, .code = code}, .text = std::string(what)};
}

/// Leaves `input` readable from its beginning at /proc/self/fd/kNftInputFd: only for input from a file does the
/// library tell the line of a mistake.
bool PlaceInput(std::string_view input) {
  Fd file(memfd_create("nftables", MFD_CLOEXEC));
  if (!file.is_open()) return false;
  while (!input.empty()) {
    const ssize_t n = write(file.get(), input.data(), input.size());
    if (n < 0) return false;
    input.remove_prefix(static_cast<std::size_t>(n));
  }
  return dup3(file.get(), kNftInputFd, O_CLOEXEC) >= 0;
}

Answer RunHere(std::string_view input, bool is_text, bool is_dry) {
  // The context's socket belongs to the namespace the thread is in now, and an open context keeps it alive: one
  // context a request, so that no namespace outlives its own deletion here.
  nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) return Failed("make a context");
  nft_ctx_output_set_flags(context, is_text ? 0U : static_cast<unsigned>(NFT_CTX_OUTPUT_JSON));
  nft_ctx_set_dry_run(context, is_dry);
  Answer answer;
  if (nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0) {
    answer = Failed("buffer its output");
  } else if (is_text && !PlaceInput(input)) {
    answer = Failed("hand it the text");
  } else {
    if (is_text) {
      const std::string path = "/proc/self/fd/" + std::to_string(kNftInputFd);
      answer.head.status = nft_run_cmd_from_filename(context, path.c_str());
    } else {
      answer.head.status = nft_run_cmd_from_buffer(context, std::string(input).c_str());
    }
    const char* text = answer.head.status == 0 ? nft_ctx_get_output_buffer(context) : nft_ctx_get_error_buffer(context);
    answer.text = text != nullptr ? text : "";
  }
  nft_ctx_free(context);
  if (is_text) close(kNftInputFd);
  return answer;
}

/// Makes an interface that only has to exist by this name: a bridge, since labs need those anyway.
bool MakeInterface(nl_sock* socket, const std::string& name) {
  nl_msg* message = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK | NLM_F_REQUEST);
  if (message == nullptr) return false;
  ifinfomsg head{};
  head.ifi_family = AF_UNSPEC;
  bool built = nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) == 0 &&
               nla_put_string(message, IFLA_IFNAME, name.c_str()) == 0;
  nlattr* info = built ? nla_nest_start(message, IFLA_LINKINFO) : nullptr;
  built = info != nullptr && nla_put_string(message, IFLA_INFO_KIND, "bridge") == 0 && nla_nest_end(message, info) == 0;
  const bool sent = built && nl_send_auto(socket, message) >= 0;
  nlmsg_free(message);
  return sent && nl_wait_for_ack(socket) == 0;
}

/// In a child, so that leaving the namespaces made for it is its end.
Answer RehearseInChild(std::string_view interfaces, std::string_view input, bool is_text) {
  // A user without privilege gets the network namespace inside a user namespace of the same breath.
  if (unshare(CLONE_NEWNET) != 0 && (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)) {
    return Failed("make a network namespace to try the rules in");
  }
  nl_sock* socket = nl_socket_alloc();
  if (socket == nullptr || nl_connect(socket, NETLINK_ROUTE) < 0) return Failed("open a netlink socket");
  while (!interfaces.empty()) {
    const std::string name(interfaces.data());  // ends at the zero byte
    interfaces.remove_prefix(name.size() + 1);
    if (name != "lo" && !MakeInterface(socket, name)) return Failed("make interface " + name);
  }
  nl_socket_free(socket);
  Answer answer = RunHere(input, is_text, /*is_dry=*/false);
  if (answer.head.status != 0) return answer;
  return RunHere(kListTables, /*is_text=*/false, /*is_dry=*/false);
}

std::optional<Answer> Rehearse(std::string_view interfaces, std::string_view input, bool is_text) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return Failed("make a socket pair");
  Fd here(ends[0]);
  Fd there(ends[1]);
  const pid_t child = fork();
  if (child < 0) return Failed("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Answer answer = RehearseInChild(interfaces, input, is_text);
    _exit(SendAnswer(there.get(), answer.head, answer.text) ? 0 : 1);
  }
  there.Reset();
  Answer answer;
  const bool answered = ReceiveAnswer(here.get(), answer.head, answer.text);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!answered) return std::nullopt;
  return answer;
}

Answer Visit(int ns_fd, int home, std::string_view input, const NftRequestHead& head) {
  if (ns_fd < 0 || setns(ns_fd, CLONE_NEWNET) != 0) return Failed("enter the namespace");
  Answer answer = RunHere(input, head.is_text != 0, head.mode == NftMode::kCheck);
  // Back home, so that the worker holds no namespace that is about to be deleted.
  if (setns(home, CLONE_NEWNET) != 0) _exit(1);
  return answer;
}

void TakePlace(int socket, int complaints) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "toporun-nft");
  // The run decides when to stop, and its roll-back still needs the worker.
  for (const int signal_number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE}) signal(signal_number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // When the library calls exit(), nothing that the run registered may happen twice.
  atexit([] { _exit(1); });
  // Up and out of the way of the numbers that they are to have.
  const int high_socket = fcntl(socket, F_DUPFD_CLOEXEC, 16);
  const int high_complaints = fcntl(complaints, F_DUPFD_CLOEXEC, 16);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (high_socket < 0 || high_complaints < 0 || null < 0) _exit(1);
  if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(high_complaints, 2) < 0) _exit(1);
  if (dup3(high_socket, kSocketFd, O_CLOEXEC) < 0) _exit(1);
  // Nothing else of the run's may live on here: a lock or a namespace would be held for no reason.
  if (close_range(kSocketFd + 1, ~0U, 0) != 0) _exit(1);
}

}  // namespace

void ServeNft(int socket, int complaints) {
  TakePlace(socket, complaints);
  // Above the numbers that are taken.
  const int low = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  const int home = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, kNftInputFd + 1);
  if (home < 0) _exit(1);
  if (low != kNftInputFd) close(low);
  while (true) {
    NftRequestHead head;
    std::string body;
    Fd ns;
    if (!ReceiveRequest(kSocketFd, head, body, ns)) _exit(0);
    std::string_view input = body;
    const std::string_view interfaces = input.substr(0, head.interfaces_size);
    input.remove_prefix(interfaces.size());
    std::optional<Answer> answer;
    if (head.mode == NftMode::kRehearse) {
      answer = Rehearse(interfaces, input, head.is_text != 0);
    } else {
      answer = Visit(ns.get(), home, input, head);
    }
    // Before the answer: whoever has it may delete the namespace at once.
    ns.Reset();
    // The rehearsing child died of the library: that is our death too, and told with what it complained.
    if (!answer || !SendAnswer(kSocketFd, answer->head, answer->text)) _exit(1);
  }
}

}  // namespace runner::kernel
