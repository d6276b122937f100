#include "kernel/nftables.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "kernel/nftables_socket.h"
#include "kernel/nftables_worker.h"

namespace runner::kernel {
namespace {

// The longest that one batch may take; a worker that is silent for longer hangs.
constexpr int kAnswerLimitMs = 120'000;

/// The complaint's line of the input, for the caret below an error.
std::string LineOf(std::string_view input, int line) {
  const auto lines = Split(input, '\n');
  if (line < 1 || static_cast<std::size_t>(line) > lines.size()) return "";
  return std::string(lines[static_cast<std::size_t>(line) - 1]);
}

/// ENOENT and its kin, by the sentence that the library ends its complaint with.
int CodeOf(const std::string& complaint) {
  for (const int code : {ENOENT, EEXIST, EPERM, EBUSY, EOPNOTSUPP, EINVAL, ENOBUFS, ENOMEM, EAFNOSUPPORT}) {
    if (strcasestr(complaint.c_str(), std::strerror(code)) != nullptr) return code;
  }
  return 0;
}

Error ComplaintError(std::string_view output, std::string_view input, NftInput form) {
  Error error{.where = "nftables", .tried = "", .why = ""};
  for (const NftError& complaint : ParseNftErrors(output)) {
    Position at;
    if (form == NftInput::kText) at = {.line = complaint.line, .column = complaint.column, .width = complaint.width};
    std::string excerpt = LineOf(input, at.line);
    if (error.why.empty()) {
      error.why = complaint.text;
      error.at = at;
      error.excerpt = std::move(excerpt);
      error.code = CodeOf(complaint.text);
    } else {
      error.notes.push_back({.at = at, .text = complaint.text, .excerpt = std::move(excerpt)});
    }
  }
  // Never an error without a reason, whatever the library writes.
  if (error.why.empty()) error.why = output.empty() ? "refused without a reason" : std::string(output);
  return error;
}

Result<std::vector<TableId>> TablesOf(std::string_view output) {
  const Json listing = TRY(ParseJson(output));
  std::vector<TableId> tables;
  for (const Json& item : listing.value("nftables", Json::array())) {
    if (!item.contains("table")) continue;
    const Json& table = item["table"];
    tables.push_back({.family = table.value("family", ""), .name = table.value("name", "")});
  }
  std::sort(tables.begin(), tables.end());
  return tables;
}

}  // namespace

struct NftWorker::Request {
  int ns_fd = -1;
  NftMode mode = NftMode::kRun;
  std::string_view input;
  NftInput form = NftInput::kJson;
  std::string interfaces = {};
};

NftWorker::NftWorker(NftWorker&& other) noexcept
    : socket_(std::move(other.socket_)),
      complaints_(std::move(other.complaints_)),
      pid_(std::exchange(other.pid_, 0)) {}

NftWorker& NftWorker::operator=(NftWorker&& other) noexcept {
  if (this != &other) {
    Stop();
    socket_ = std::move(other.socket_);
    complaints_ = std::move(other.complaints_);
    pid_ = std::exchange(other.pid_, 0);
  }
  return *this;
}

NftWorker::~NftWorker() { Stop(); }

Status NftWorker::Start() {
  if (pid_ != 0) return {};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return SystemError(errno, "make a socket pair").Wrap("nftables");
  }
  Fd here(ends[0]);
  Fd there(ends[1]);
  Fd complaints(memfd_create("nftables-stderr", MFD_CLOEXEC));
  if (!complaints.is_open()) return SystemError(errno, "make a memory file").Wrap("nftables");
  // What stands unwritten in the stdio buffers would be written twice if the library exits.
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return SystemError(errno, "start the worker").Wrap("nftables");
  if (child == 0) {
    if (getppid() != parent) _exit(1);
    ServeNft(there.get(), complaints.get());
  }
  socket_ = std::move(here);
  complaints_ = std::move(complaints);
  pid_ = child;
  return {};
}

void NftWorker::Stop() {
  if (pid_ == 0) return;
  // The worker sees the end of its input and leaves.
  socket_.Reset();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  complaints_.Reset();
  pid_ = 0;
}

Error NftWorker::Died(std::string_view during) {
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  std::string said;
  char buffer[4096];
  ssize_t n = 0;
  off_t offset = 0;
  while ((n = pread(complaints_.get(), buffer, sizeof(buffer), offset)) > 0) {
    said.append(buffer, static_cast<std::size_t>(n));
    offset += n;
  }
  while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.pop_back();
  std::replace(said.begin(), said.end(), '\n', ' ');
  socket_.Reset();
  complaints_.Reset();
  pid_ = 0;
  std::string why = "the worker process ended " + std::string(during) + "; whether the batch was done is not known";
  if (WIFSIGNALED(status)) why += fmt::format(" (signal {})", WTERMSIG(status));
  if (!said.empty()) why += ": " + said;
  // The code says that the outcome is to be looked up, as after any answer that did not come.
  return {.where = "nftables", .tried = "", .why = std::move(why), .code = ETIMEDOUT};
}

Result<std::string> NftWorker::Ask(const Request& request) {
  TRY(Start());
  const NftRequestHead head{.mode = request.mode, .is_text = request.form == NftInput::kText ? 1U : 0U};
  if (!SendRequest(socket_.get(), head, request.interfaces, request.input, request.ns_fd)) {
    return Died("before it took the request");
  }
  pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  int ready = 0;
  while ((ready = poll(&waiting, 1, kAnswerLimitMs)) < 0 && errno == EINTR) {
  }
  if (ready <= 0) return Died("after two minutes without an answer");
  NftAnswerHead answer;
  std::string text;
  if (!ReceiveAnswer(socket_.get(), answer, text)) return Died("without an answer");
  if (answer.code != 0) return SystemError(answer.code, text).Wrap("nftables");
  if (answer.status != 0) return ComplaintError(text, request.input, request.form);
  return text;
}

Result<std::string> NftWorker::Run(int ns_fd, std::string_view input, NftInput form) {
  return Ask({.ns_fd = ns_fd, .mode = NftMode::kRun, .input = input, .form = form});
}

Status NftWorker::Check(int ns_fd, std::string_view input, NftInput form) {
  TRY(Ask({.ns_fd = ns_fd, .mode = NftMode::kCheck, .input = input, .form = form}));
  return {};
}

Result<std::vector<TableId>> NftWorker::Rehearse(std::string_view input, NftInput form,
                                                 const std::vector<std::string>& interfaces) {
  std::string names;
  for (const std::string& name : interfaces) names.append(name).push_back('\0');
  return TablesOf(TRY(Ask({.mode = NftMode::kRehearse, .input = input, .form = form, .interfaces = std::move(names)})));
}

Result<Json> NftWorker::ListTable(int ns_fd, const TableId& table) {
  const Json request = {
      {"nftables", Json::array({{{"list", {{"table", {{"family", table.family}, {"name", table.name}}}}}}})}};
  auto output = Run(ns_fd, JsonText(request), NftInput::kJson);
  if (!output) {
    output.error().where = "nftables table " + Quote(table.text());
    return std::move(output).error();
  }
  return ParseJson(*output);
}

Result<std::vector<TableId>> NftWorker::ListTables(int ns_fd) {
  return TablesOf(TRY(Run(ns_fd, kListTables, NftInput::kJson)));
}

Status DeleteTables(NftWorker& worker, int ns_fd, const std::vector<TableId>& tables) {
  if (tables.empty()) return {};
  Json batch = Json::array();
  for (const TableId& table : tables) {
    const Json id = {{"table", {{"family", table.family}, {"name", table.name}}}};
    // Added first, so that deleting one that has gone is no error.
    batch.push_back({{"add", id}});
    batch.push_back({{"delete", id}});
  }
  TRY(worker.Run(ns_fd, JsonText({{"nftables", std::move(batch)}}), NftInput::kJson));
  return {};
}

}  // namespace runner::kernel
