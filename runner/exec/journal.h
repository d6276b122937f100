// The memory of a lab between two runs: what it made, in order, each line written before the thing is made and crossed
// out after it is gone. One JSON document a line; a torn last line is ignored. Nothing is written before the first
// change.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "plan/plan.h"

namespace runner {

/// What holds for the lab as a whole.
struct LabHeader {
  std::string lab;
  bool is_copy = false;                                  // the name came by --name, not from the file
  std::string file;                                      // absolute path, or "-"
  std::vector<std::pair<std::string, std::string>> set;  // --set
  std::string digest;                                    // of the file's text
  std::string boot_id;
  std::uint64_t host_namespace = 0;              // cookie (or inode) of the namespace that `host` stands for
  bool is_rootless = false;                      // it has a holder
  std::string since;                             // RFC 3339, when the lab was first brought up
  std::map<std::string, IpPrefix> nat_networks;  // as chosen for uplinks of type nat
  friend bool operator==(const LabHeader&, const LabHeader&) = default;
};

class Journal {
 public:
  /// Reads the journal at `path` if there is one. One of another format is an error; a damaged line is passed
  /// over, and `damage()` names the first.
  static Result<Journal> Open(std::string path);
  /// In place of one that cannot be read: what it says is lost, and the next line that is written replaces it.
  static Journal InPlaceOf(std::string path);
  /// Only what holds for the lab as a whole: much less work than Open. A damaged header is an error.
  static Result<LabHeader> ReadHeader(const std::string& path);
  /// One that is nowhere: for tests and for plans only.
  static Journal InMemory() { return Journal(""); }

  bool exists() const { return exists_; }
  std::size_t size() const { return index_.size(); }
  const std::string& damage() const { return damage_; }
  /// The file ends where a run ended: nothing is cut off or missing. What a kill leaves is not settled either.
  bool is_settled() const { return is_settled_ && !is_suspect_; }
  const LabHeader& header() const { return header_; }
  /// In the order in which the things were made. It stands until the next line is written.
  const Record& record() const;
  const RecordEntry* Find(const ResourceId& id) const;

  Status SetHeader(const LabHeader& header);
  /// Before `resource` is made or changed.
  Status Begin(const Resource& resource, const std::optional<Attributes>& former);
  /// After it was; `attributes` as made.
  Status Made(const ResourceId& id, const Attributes& attributes);
  /// After it is gone, or turned out not to have been made.
  Status Gone(const ResourceId& id);
  /// As Gone, for what is told by the kernel anyway: the line may be written with a later one.
  Status Forget(const ResourceId& id);
  /// Writes the lines that Forget kept back.
  Status Flush();
  /// At the end of a run: says how many things there are, so that a file that was cut short can be told. Writes nothing
  /// where that was said already. One that was not settled when it was read never is again: what it lacks may stand,
  /// and only `down` looks for that.
  Status Settle();
  /// Writes what is left as a fresh file over the old one.
  Status Compact();
  /// Removes the file.
  Status Remove();

 private:
  explicit Journal(std::string path) : path_(std::move(path)) {}
  Status Append(const std::string& line);
  Status Load(std::string_view text);
  bool Replay(const Json& line);
  /// Half of all lines say that a thing was made as it was begun: they need no reader of JSON. False: this is another.
  bool ReplayPlain(std::string_view line);
  std::string Whole() const;
  std::string SettledLine() const;
  void Put(RecordEntry entry);
  void CloseGaps() const;

  std::string path_;
  Fd file_;
  bool exists_ = false;
  std::string damage_;
  bool is_settled_ = true;
  bool is_suspect_ = false;  // was not settled when it was read
  std::string pending_;
  LabHeader header_;
  // What is crossed out leaves a gap, in no index, until somebody asks for the record.
  mutable Record entries_;
  mutable std::unordered_map<ResourceId, std::size_t> index_;
};

}  // namespace runner
