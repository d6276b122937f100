#include "exec/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/json.h"
#include "base/stopwatch.h"
#include "base/text.h"
#include "plan/codec.h"

namespace runner {
namespace {

constexpr int kFormat = 1;
constexpr const char* kWriting = "write the record";

Json EncodeHeader(const LabHeader& header) {
  Json networks = Json::object();
  for (const auto& [node, network] : header.nat_networks) networks[node] = network.text();
  Json json = {{"toporun", kFormat},        {"lab", header.lab},
               {"copy", header.is_copy},    {"file", header.file},
               {"set", header.set},         {"digest", header.digest},
               {"boot_id", header.boot_id}, {"host_namespace", header.host_namespace},
               {"since", header.since},     {"nat_networks", std::move(networks)}};
  if (header.is_rootless) json["rootless"] = true;
  return json;
}

bool ReadText(const Json& json, const char* key, std::string& out) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

bool ReadSet(const Json& json, std::vector<std::pair<std::string, std::string>>& out) {
  if (!json.is_array()) return false;
  for (const Json& pair : json) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) return false;
    out.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return true;
}

std::optional<LabHeader> DecodeHeader(const Json& json) {
  LabHeader header;
  if (!ReadText(json, "lab", header.lab) || !ReadText(json, "file", header.file) ||
      !ReadText(json, "digest", header.digest) || !ReadText(json, "boot_id", header.boot_id) ||
      !ReadText(json, "since", header.since) || !json.contains("set") || !ReadSet(json["set"], header.set) ||
      !json.contains("host_namespace") || !json["host_namespace"].is_number_unsigned() ||
      !json.contains("nat_networks") || !json["nat_networks"].is_object()) {
    return std::nullopt;
  }
  header.host_namespace = json["host_namespace"].get<std::uint64_t>();
  header.is_rootless = json.value("rootless", Json(false)) == Json(true);
  header.is_copy = json.value("copy", Json(false)) == Json(true);
  for (const auto& [node, network] : json["nat_networks"].items()) {
    const auto prefix = network.is_string() ? IpPrefix::Parse(network.get_ref<const std::string&>()) : std::nullopt;
    if (!prefix) return std::nullopt;
    header.nat_networks.emplace(node, *prefix);
  }
  return header;
}

Json EncodeEntry(const char* what, const RecordEntry& entry) {
  Json line = {{what, EncodeResource(entry.resource)}};
  if (entry.former) line["former"] = EncodeAttributes(*entry.former);
  return line;
}

}  // namespace

Result<Journal> Journal::Open(std::string path) {
  const Stopwatch watch("read the record");
  Journal journal(std::move(path));
  auto text = ReadFile(journal.path_);
  if (!text.ok()) {
    if (text.error().code == ENOENT) return journal;
    return std::move(text).error();
  }
  journal.exists_ = true;
  TRY(journal.Load(*text).Wrap(Quote(journal.path_)));
  journal.is_suspect_ = !journal.is_settled_;
  return journal;
}

Result<LabHeader> Journal::ReadHeader(const std::string& path) {
  const std::string text = TRY(ReadFile(path));
  constexpr std::string_view kBeginning = "{\"toporun\":";
  std::optional<LabHeader> header;
  std::size_t at = 0;
  // A later one replaces an earlier one; the last line counts only with its newline.
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(kBeginning)) continue;
    const auto json = ParseJson(line);
    if (json.ok() && json->is_object()) header = DecodeHeader(*json);
  }
  if (!header) return Fail("read " + Quote(path), "it has no header");
  return std::move(*header);
}

Journal Journal::InPlaceOf(std::string path) {
  Journal journal(std::move(path));
  journal.exists_ = true;
  journal.is_settled_ = false;
  journal.is_suspect_ = true;
  journal.damage_ = "the record cannot be read";
  return journal;
}

Status Journal::Load(std::string_view text) {
  int number = 0;
  is_settled_ = false;
  // What the lines of one object take together is rarely less.
  constexpr std::size_t kObjectSize = 160;
  entries_.reserve(text.size() / kObjectSize);
  index_.reserve(text.size() / kObjectSize);
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    // Without its newline the last line was not written to its end.
    if (end == std::string_view::npos) {
      is_settled_ = false;
      break;
    }
    const std::string_view whole = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (ReplayPlain(whole)) continue;
    const auto line = ParseJson(whole);
    if (number == 1 && line.ok() && line->is_object() && line->contains("toporun") && (*line)["toporun"] != kFormat) {
      return Fail("read the record", "it was written by another version of toporun");
    }
    if (line.ok() && line->is_object() && Replay(*line)) continue;
    is_settled_ = false;
    if (damage_.empty()) damage_ = "line " + std::to_string(number) + " of the record is damaged: it is passed over";
  }
  return {};
}

bool Journal::ReplayPlain(std::string_view line) {
  constexpr std::string_view kBeginning = "{\"made\":\"";
  constexpr std::string_view kEnd = "\"}";
  if (!line.starts_with(kBeginning) || !line.ends_with(kEnd) || line.size() < kBeginning.size() + kEnd.size()) {
    return false;
  }
  const std::string_view name = line.substr(kBeginning.size(), line.size() - kBeginning.size() - kEnd.size());
  if (name.find_first_of("\"\\") != std::string_view::npos) return false;
  const auto id = ResourceId::Parse(name);
  const auto found = id ? index_.find(*id) : index_.end();
  if (found == index_.end()) return false;
  is_settled_ = false;
  entries_[found->second].state = RecordEntry::State::kMade;
  return true;
}

bool Journal::Replay(const Json& line) {
  if (line.contains("toporun")) {
    auto header = DecodeHeader(line);
    is_settled_ = false;
    if (header) header_ = std::move(*header);
    return header.has_value();
  }
  for (const auto& [key, state] :
       {std::pair("begin", RecordEntry::State::kBegun), std::pair("entry", RecordEntry::State::kMade)}) {
    const auto found = line.find(key);
    if (found == line.end()) continue;
    is_settled_ = false;
    auto resource = DecodeResource(*found);
    if (!resource.ok()) return false;
    RecordEntry entry{.resource = std::move(*resource), .former = {}, .state = state};
    if (const auto former = line.find("former"); former != line.end()) {
      auto attributes = DecodeAttributes(entry.resource.id.kind, *former);
      if (!attributes.ok()) return false;
      entry.former = std::move(*attributes);
    }
    Put(std::move(entry));
    return true;
  }
  if (const auto settled = line.find("settled"); settled != line.end()) {
    is_settled_ = damage_.empty() && *settled == index_.size();
    return settled->is_number_unsigned();
  }
  is_settled_ = false;
  const bool made = line.contains("made");
  std::string text;
  if (!ReadText(line, made ? "made" : "gone", text)) return false;
  const auto id = ResourceId::Parse(text);
  if (!id) return false;
  const auto found = index_.find(*id);
  // What is made without having been begun: its beginning is the damaged line.
  if (found == index_.end()) return !made || !damage_.empty();
  if (!made) {
    index_.erase(found);
    return true;
  }
  RecordEntry& entry = entries_[found->second];
  if (line.contains("attributes")) {
    auto attributes = DecodeAttributes(id->kind, line["attributes"]);
    if (!attributes.ok()) return false;
    entry.resource.attributes = std::move(*attributes);
  }
  entry.state = RecordEntry::State::kMade;
  return true;
}

void Journal::Put(RecordEntry entry) {
  const auto [found, fresh] = index_.emplace(entry.resource.id, entries_.size());
  if (fresh) {
    entries_.push_back(std::move(entry));
  } else {
    entries_[found->second] = std::move(entry);
  }
}

void Journal::CloseGaps() const {
  if (entries_.size() == index_.size()) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    // One that was made anew stands further down.
    const auto found = index_.find(entries_[i].resource.id);
    if (found == index_.end() || found->second != i) continue;
    if (kept != i) entries_[kept] = std::move(entries_[i]);
    found->second = kept++;
  }
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(kept), entries_.end());
}

const Record& Journal::record() const {
  CloseGaps();
  return entries_;
}

const RecordEntry* Journal::Find(const ResourceId& id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

Status Journal::Append(const std::string& line) {
  is_settled_ = false;
  pending_ += line;
  pending_ += '\n';
  return Flush();
}

Status Journal::Flush() {
  if (path_.empty()) pending_.clear();
  if (pending_.empty()) return {};
  if (!file_.is_open()) {
    file_ = TRY(OpenFile(path_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
    // A torn last line must not run into the next one.
    const auto text = exists_ ? ReadFile(path_) : Result<std::string>(std::string());
    const bool torn = text.ok() && !text->empty() && (text->back() != '\n' || !damage_.empty());
    exists_ = true;
    // Told whole again, with what was to be added.
    if (torn) return Compact();
  }
  while (!pending_.empty()) {
    const ssize_t written = write(file_.get(), pending_.data(), pending_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(errno, "write the record " + Quote(path_));
    // What is left after a full file system goes on where this ended.
    pending_.erase(0, static_cast<std::size_t>(written));
  }
  return {};
}

Status Journal::SetHeader(const LabHeader& header) {
  if (header == header_ && exists_) return {};
  header_ = header;
  return Append(JsonText(EncodeHeader(header)));
}

Status Journal::Begin(const Resource& resource, const std::optional<Attributes>& former) {
  const Stopwatch watch(kWriting);
  RecordEntry entry{.resource = resource, .former = former, .state = RecordEntry::State::kBegun};
  const std::string line = JsonText(EncodeEntry("begin", entry));
  Put(std::move(entry));
  return Append(line);
}

Status Journal::Made(const ResourceId& id, const Attributes& attributes) {
  const Stopwatch watch(kWriting);
  const auto found = index_.find(id);
  if (found == index_.end()) return Fail("record " + id.text(), "it was not begun");
  RecordEntry& entry = entries_[found->second];
  entry.state = RecordEntry::State::kMade;
  Json line = {{"made", id.text()}};
  Json fresh = EncodeAttributes(attributes);
  if (fresh != EncodeAttributes(entry.resource.attributes)) line["attributes"] = std::move(fresh);
  entry.resource.attributes = attributes;
  return Append(JsonText(line));
}

Status Journal::Forget(const ResourceId& id) {
  const auto found = index_.find(id);
  if (found == index_.end()) return {};
  index_.erase(found);
  is_settled_ = false;
  pending_ += JsonText({{"gone", id.text()}}) + "\n";
  return {};
}

Status Journal::Gone(const ResourceId& id) {
  const Stopwatch watch(kWriting);
  const auto found = index_.find(id);
  if (found == index_.end()) return {};
  index_.erase(found);
  return Append(JsonText({{"gone", id.text()}}));
}

std::string Journal::SettledLine() const { return JsonText({{"settled", index_.size()}}) + "\n"; }

std::string Journal::Whole() const {
  std::string text = JsonText(EncodeHeader(header_)) + "\n";
  for (const RecordEntry& entry : record()) {
    text += JsonText(EncodeEntry(entry.state == RecordEntry::State::kMade ? "entry" : "begin", entry)) + "\n";
  }
  if (is_settled_) text += SettledLine();
  return text;
}

Status Journal::Settle() {
  if (is_settled_ || is_suspect_ || !exists_) return {};
  pending_ += SettledLine();
  is_settled_ = true;
  return Flush();
}

Status Journal::Compact() {
  if (path_.empty()) return {};
  TRY(ReplaceFile(path_, Whole(), 0600));
  pending_.clear();
  damage_.clear();
  exists_ = true;
  file_ = TRY(OpenFile(path_, O_WRONLY | O_APPEND | O_NOFOLLOW));
  return {};
}

Status Journal::Remove() {
  file_.Reset();
  pending_.clear();
  exists_ = false;
  if (path_.empty() || unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
  return SystemError(errno, "remove the record " + Quote(path_));
}

}  // namespace runner
