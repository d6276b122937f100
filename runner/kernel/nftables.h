// libnftables behind a process of its own: the library may exit() or abort() and keeps global state, so one worker a
// run loads it, visits the namespaces, and may die without taking the run along.
#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/json_fwd.h"

namespace runner::kernel {

/// What a request to the library is written in; its answer comes in the same form.
enum class NftInput { kJson, kText };

/// One complaint of the library. Line and column count from 1 in the text that was given; 0 where it names no place.
struct NftError {
  int line = 0;
  int column = 0;
  int width = 1;
  std::string text;
  friend auto operator<=>(const NftError&, const NftError&) = default;
};

/// The complaints in the library's error output, in its order, without the quoted source lines and carets.
std::vector<NftError> ParseNftErrors(std::string_view output);

struct TableId {
  std::string family;  // ip, ip6, inet, arp, bridge, netdev
  std::string name;
  std::string text() const { return family + " " + name; }
  friend auto operator<=>(const TableId&, const TableId&) = default;
};

/// The worker process and the socket to it. Nothing is started before the first request; a worker that dies is an
/// error of the request that it died of, and the next request starts another.
///
/// An error of a text request has in `at` the place in that text (line and column from 1, the first complaint), in
/// `excerpt` its line, and in `notes` the other complaints likewise: whoever knows where the text stands in a file
/// moves them there. A JSON request has no places.
class NftWorker {
 public:
  NftWorker() = default;
  NftWorker(NftWorker&& other) noexcept;
  NftWorker& operator=(NftWorker&& other) noexcept;
  NftWorker(const NftWorker&) = delete;
  NftWorker& operator=(const NftWorker&) = delete;
  ~NftWorker();

  /// Runs `input` as one atomic batch in the namespace that `ns_fd` is open on.
  Result<std::string> Run(int ns_fd, std::string_view input, NftInput form);
  /// The same up to the commit: the kernel checks, nothing changes.
  Status Check(int ns_fd, std::string_view input, NftInput form);
  /// Runs `input` in a network namespace made for it and gone with the answer, which holds interfaces of the given
  /// names; returns the tables that stood there afterwards. Works without privilege too, where the system lets users
  /// make namespaces.
  Result<std::vector<TableId>> Rehearse(std::string_view input, NftInput form,
                                        const std::vector<std::string>& interfaces);

  /// The table's listing, as `nft -j list table`; a missing table is an error with code ENOENT.
  Result<Json> ListTable(int ns_fd, const TableId& table);
  /// All tables of the namespace, sorted.
  Result<std::vector<TableId>> ListTables(int ns_fd);

  /// The worker's process, or 0 while there is none.
  pid_t pid() const { return pid_; }
  void Stop();

 private:
  struct Request;
  Status Start();
  Result<std::string> Ask(const Request& request);
  Error Died(std::string_view during);

  Fd socket_;
  Fd complaints_;  // a memory file: the worker's standard error
  pid_t pid_ = 0;
};

/// A listing as text that is equal for two listings exactly when nobody changed the rules between them: handles,
/// the library's version, counted packets and bytes, and what packets themselves put into dynamic sets are left out.
std::string NormalListing(const Json& listing);

/// Deletes the tables in one batch; those that are not there are passed over.
Status DeleteTables(NftWorker& worker, int ns_fd, const std::vector<TableId>& tables);

}  // namespace runner::kernel
