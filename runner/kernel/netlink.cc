#include "kernel/netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string_view>

#include "base/stopwatch.h"

namespace runner {
namespace {

// The kernel fills at most 32 KiB of one dump message; single answers are shorter.
constexpr std::size_t kReceiveSize = 65536;
// A dump is interrupted when somebody else changes what it walks over. A busy host calms down within a few.
constexpr int kDumpAttempts = 20;
// The kernel answers within the call that sends, unless it waits for another holder of its lock.
constexpr timeval kAnswerLimit = {.tv_sec = 60, .tv_usec = 0};

#ifndef SO_NETNS_COOKIE
constexpr int SO_NETNS_COOKIE = 71;
#endif

std::atomic<std::uint64_t> mutating = 0;

constexpr const char* kAnswers = "requests to the kernel and their answers";

// One at a time is read, and a session has hundreds of sockets: the buffer is the thread's.
std::array<char, kReceiveSize>& Buffer() {
  alignas(NLMSG_ALIGNTO) thread_local std::array<char, kReceiveSize> buffer;
  return buffer;
}

// RTM_ types come in fours: NEW, DEL, GET, SET.
bool Mutates(int type) { return type >= RTM_BASE && (type & 3) != 2; }

// What the kernel adds to an error in its own words; it stands behind the copy of the request, if there is one.
std::string KernelWords(const nlmsghdr& message, std::size_t start) {
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0 || message.nlmsg_len <= start) return {};
  const NetlinkAttributes attributes(reinterpret_cast<const char*>(&message) + start, message.nlmsg_len - start,
                                     NLMSGERR_ATTR_MAX);
  return attributes.String(NLMSGERR_ATTR_MSG).value_or("");
}

Error KernelError(int code, const std::string& tried, const std::string& words) {
  Error error = SystemError(code, tried);
  if (!words.empty()) error.why += " (kernel: \"" + words + "\")";
  return error;
}

Error UnknownOutcome(int code, const std::string& tried) {
  Error error = SystemError(code, tried);
  error.why = code == ENOBUFS ? "the kernel's answer was lost, so the outcome is unknown (no buffer space)"
                              : "the kernel did not answer in a minute, so the outcome is unknown";
  return error;
}

// The Status of an NLMSG_ERROR message, whose code 0 is an ACK.
Status Outcome(const nlmsghdr& message, const std::string& tried) {
  const auto* answer = FixedPart<nlmsgerr>(message);
  if (answer == nullptr) return Fail(tried, "the kernel sent an answer that is too short");
  if (answer->error == 0) return {};
  std::size_t start = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((message.nlmsg_flags & NLM_F_CAPPED) == 0) start += NLMSG_ALIGN(answer->msg.nlmsg_len) - sizeof(nlmsghdr);
  return KernelError(-answer->error, tried, KernelWords(message, start));
}

// The Status that ends a dump.
Status DumpOutcome(const nlmsghdr& message, const std::string& tried) {
  const auto* code = FixedPart<int>(message);
  if (code == nullptr || *code >= 0) return {};
  return KernelError(-*code, tried, KernelWords(message, NLMSG_HDRLEN + sizeof *code));
}

// Calls `each` with every message in `buffer` until it returns false.
template <class Each>
void ForEachMessage(const char* buffer, std::size_t size, Each each) {
  auto left = static_cast<unsigned>(size);
  for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(message, left);
       message = NLMSG_NEXT(message, left)) {
    if (!each(*message)) return;
  }
}

}  // namespace

Result<NetlinkSocket> NetlinkSocket::Open() { return Open(Protocol::kRoute); }

Result<NetlinkSocket> NetlinkSocket::OpenGeneric() { return Open(Protocol::kGeneric); }

Result<NetlinkSocket> NetlinkSocket::Open(Protocol protocol) {
  const int family = protocol == Protocol::kRoute ? NETLINK_ROUTE : NETLINK_GENERIC;
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family));
  if (!fd.is_open()) return SystemError(errno, "open a netlink socket");
  const int on = 1;
  // All three are comforts that old kernels lack: the kernel's words in errors, short ACKs, and filtered dumps.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on);
  }
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerLimit, sizeof kAnswerLimit) != 0) {
    return SystemError(errno, "set up a netlink socket");
  }
  return NetlinkSocket(std::move(fd), protocol);
}

Result<NetlinkSocket> NetlinkSocket::OpenIn(const Namespace& place) {
  const InNamespace inside = TRY(InNamespace::Enter(place));
  return Open();
}

std::uint64_t NetlinkSocket::mutating_requests() { return mutating.load(std::memory_order_relaxed); }

std::uint64_t NetlinkSocket::cookie() const {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd_.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

Status NetlinkSocket::Send(NetlinkMessage& message, int flags, const std::string& tried) {
  if (!message.is_complete()) return Fail(tried, "the request is too long for one message");
  nlmsghdr& header = *message.header();
  header.nlmsg_seq = ++sequence_;
  header.nlmsg_flags = static_cast<std::uint16_t>(header.nlmsg_flags | flags);
  if (protocol_ == Protocol::kRoute && Mutates(header.nlmsg_type)) mutating.fetch_add(1, std::memory_order_relaxed);
  const Stopwatch watch(kAnswers, Stopwatch::Counts::kWithinOthers);
  while (send(fd_.get(), &header, header.nlmsg_len, 0) < 0) {
    if (errno != EINTR) return SystemError(errno, tried);
  }
  return {};
}

Result<std::size_t> NetlinkSocket::Receive(const std::string& tried) {
  const Stopwatch watch(kAnswers, Stopwatch::Counts::kWithinOthers);
  while (true) {
    const ssize_t size = recv(fd_.get(), Buffer().data(), Buffer().size(), MSG_TRUNC);
    if (size >= 0 && static_cast<std::size_t>(size) > Buffer().size()) {
      return Fail(tried, "the kernel's answer is longer than expected, so the outcome is unknown");
    }
    if (size > 0) return static_cast<std::size_t>(size);
    if (size == 0) return Fail(tried, "the netlink socket was closed, so the outcome is unknown");
    if (errno == EINTR) continue;
    if (errno == ENOBUFS) return UnknownOutcome(ENOBUFS, tried);
    if (errno == EAGAIN) return UnknownOutcome(ETIMEDOUT, tried);
    return SystemError(errno, tried);
  }
}

Status NetlinkSocket::Request(NetlinkMessage& message, const std::string& tried) {
  return Exchange(message, NLM_F_ACK, tried, {});
}

Status NetlinkSocket::Get(NetlinkMessage& message, const std::string& tried, const Handler& answer) {
  // An ACK behind the answer would be one more message to wait for.
  return Exchange(message, 0, tried, answer);
}

Status NetlinkSocket::Exchange(NetlinkMessage& message, int flags, const std::string& tried, const Handler& answer) {
  TRY(Send(message, flags, tried));
  std::optional<Status> outcome;
  while (!outcome) {
    const std::size_t size = TRY(Receive(tried));
    ForEachMessage(Buffer().data(), size, [&](const nlmsghdr& part) {
      // An answer to an earlier request, whose wait was given up.
      if (part.nlmsg_seq != sequence_) return true;
      if (part.nlmsg_type == NLMSG_ERROR) {
        outcome = Outcome(part, tried);
      } else if (answer) {
        outcome = answer(part);
      }
      return !outcome;
    });
  }
  return std::move(*outcome);
}

Result<NetlinkSocket::DumpEnd> NetlinkSocket::ReadDump(const std::string& tried, std::string& messages) {
  messages.clear();
  bool interrupted = false;
  std::optional<Status> outcome;
  while (!outcome) {
    const std::size_t size = TRY(Receive(tried));
    ForEachMessage(Buffer().data(), size, [&](const nlmsghdr& part) {
      if (part.nlmsg_seq != sequence_) return true;
      // The last part may be the only one that tells.
      interrupted = interrupted || (part.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (part.nlmsg_type == NLMSG_ERROR) {
        outcome = Outcome(part, tried);
      } else if (part.nlmsg_type == NLMSG_DONE) {
        outcome = DumpOutcome(part, tried);
      } else {
        messages.append(reinterpret_cast<const char*>(&part), part.nlmsg_len);
        messages.resize(NLMSG_ALIGN(messages.size()));
      }
      return !outcome;
    });
  }
  if (!outcome->ok()) return std::move(*outcome).error();
  return interrupted ? DumpEnd::kInterrupted : DumpEnd::kWhole;
}

Status NetlinkSocket::Dump(NetlinkMessage& message, const std::string& tried, const Handler& object) {
  std::string messages;
  for (int attempt = 1;; ++attempt) {
    TRY(Send(message, NLM_F_DUMP, tried));
    const DumpEnd end = TRY(ReadDump(tried, messages));
    if (end == DumpEnd::kWhole) break;
    if (attempt == kDumpAttempts) {
      return Fail(tried,
                  "the objects change all the time: " + std::to_string(kDumpAttempts) + " readings were disturbed");
    }
  }
  Status handled;
  ForEachMessage(messages.data(), messages.size(), [&](const nlmsghdr& part) {
    handled = object(part);
    return handled.ok();
  });
  return handled;
}

}  // namespace runner
