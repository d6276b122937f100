#include "commands/lookout.h"

#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/json.h"
#include "base/text.h"
#include "commands/drift.h"
#include "commands/inside.h"
#include "commands/interrupts.h"
#include "commands/overrides.h"
#include "commands/record.h"
#include "rootless/channel.h"

namespace runner {
namespace {

using Clock = std::chrono::steady_clock;

// One command makes many announcements: a route that goes with its address, a link with its two ends.
constexpr std::chrono::milliseconds kQuiet{50};
constexpr std::chrono::milliseconds kLongestBurst{500};

Error Interrupted() {
  Error error = Fail("interrupted");
  error.failure = Failure::kInterrupted;
  return error;
}

bool IsAnnounced(const Resource& resource) {
  // Nobody is told of its key and its port.
  const auto* link = std::get_if<LinkAttributes>(&resource.attributes);
  if (link != nullptr && link->type == "wireguard") return false;
  switch (resource.kind()) {
    case Kind::kFolder:
    case Kind::kSysctl:
    case Kind::kNeighbour:
    case Kind::kNat:
    case Kind::kNftables:
    case Kind::kFile:
    case Kind::kUplink:
    case Kind::kForward:
    case Kind::kPeer:
    case Kind::kView:
    case Kind::kContent:
    case Kind::kProcess:
    case Kind::kCondition:
      return false;
    default:
      return true;
  }
}

bool IsFile(Kind kind) { return kind == Kind::kFolder || kind == Kind::kFile; }

/// A cable stands in two.
std::vector<NamespaceName> PlacesOfOne(const Resource& resource) {
  if (const auto* veth = std::get_if<VethAttributes>(&resource.attributes)) return {veth->a.ns, veth->b.ns};
  return {NamespaceOf(resource.attributes)};
}

bool IsAttached(const Resource& resource) {
  const auto* ns = std::get_if<NamespaceAttributes>(&resource.attributes);
  return ns != nullptr && !ns->attach.empty();
}

/// The namespaces in which something recorded stands; the empty name is the host.
std::set<NamespaceName> PlacesIn(const Record& record) {
  std::set<NamespaceName> places;
  for (const RecordEntry& entry : record) {
    if (IsFile(entry.resource.kind())) continue;
    for (NamespaceName& place : PlacesOfOne(entry.resource)) places.insert(std::move(place));
  }
  return places;
}

Json Told(const std::vector<Drift>& drift) {
  Json list = Json::array();
  for (const Drift& one : drift) list.push_back({{"row", DriftRow(one)}, {"told", DriftJson(one)}});
  return list;
}

/// A name may go without a word from the kernel, as long as somebody is in the namespace.
Result<std::string> NamesIn(const NamespaceDirectory& directory, const Record& record) {
  const std::set<NamespaceName> places = PlacesIn(record);
  std::string names;
  for (const NamespaceEntry& entry : TRY(ListNamespaces(directory))) {
    if (places.contains(entry.name)) names += entry.name + " " + std::to_string(entry.inode) + "\n";
  }
  return names;
}

/// Readable when one of them is; -1 is none.
Result<Fd> EitherOf(int a, int b) {
  Fd either(epoll_create1(EPOLL_CLOEXEC));
  if (!either.is_open()) return SystemError(errno, "wait for changes");
  for (const int fd : {a, b}) {
    epoll_event readable{};
    readable.events = EPOLLIN;
    if (fd >= 0 && epoll_ctl(either.get(), EPOLL_CTL_ADD, fd, &readable) != 0) {
      return SystemError(errno, "wait for changes");
    }
  }
  return either;
}

FoundDrift HolderGone() {
  const std::vector<std::string> row = HolderGoneRow();
  return {.object = row[1], .row = row, .told = {{"id", row[1]}, {"gone", true}, {"differences", Json::array()}}};
}

}  // namespace

std::optional<Lookout::Stamp> Lookout::ReadStamp() const {
  struct stat info {};
  if (stat(context_.state.JournalPath(lab_).c_str(), &info) != 0) return std::nullopt;
  return Stamp{.inode = info.st_ino,
               .size = info.st_size,
               .changed = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

Result<Sight, Errors> Lookout::Look() {
  const auto before = ReadStamp();
  if (!before) return Sight{.what = Sight::What::kDown, .objects = 0, .drift = {}, .overrides = {}};
  const Sight busy{.what = Sight::What::kBusy, .objects = 0, .drift = {}, .overrides = {}};
  if (LabLock::IsHeld(context_.state, lab_)) return busy;
  if (auto read = ReadRecord(*before); !read.ok()) return Errors{std::move(read).error()};
  const auto start = Clock::now();
  is_poll_ = is_all_touched_ || start >= polled_at_ + interval_;
  auto looked = LookInLab();
  took_ = Clock::now() - start;
  if (is_poll_) polled_at_ = Clock::now();
  // Whoever came in between has the lock still, or has changed the record.
  const bool is_disturbed = LabLock::IsHeld(context_.state, lab_) || ReadStamp() != before;
  is_all_touched_ = is_all_touched_ || is_disturbed || !looked.ok();
  if (is_disturbed) return busy;
  if (!looked.ok()) return std::move(looked).error();
  return Sight{
      .what = Sight::What::kSeen, .objects = record_.size(), .drift = drift_, .overrides = OverridesIn(record_)};
}

Status Lookout::ReadRecord(const Stamp& stamp) {
  if (stamp == stamp_) return {};
  const Journal journal = TRY(Journal::Open(context_.state.JournalPath(lab_)).Wrap("lab " + Quote(lab_)));
  record_ = journal.record();
  is_checked_ = false;
  is_all_touched_ = true;
  stamp_ = stamp;
  return {};
}

Record Lookout::PartToLookAt() const {
  if (is_all_touched_) return record_;
  std::set<NamespaceName> places = touched_;
  if (is_poll_) {
    for (const RecordEntry& entry : record_) {
      if (!IsAnnounced(entry.resource) && !IsFile(entry.resource.kind()))
        places.insert(NamespaceOf(entry.resource.attributes));
    }
  }
  const auto is_meant = [&](const Resource& resource) {
    // Namespaces say whose it is what stands in them.
    if (IsAttached(resource)) return true;
    if (resource.kind() == Kind::kNamespace) return places.contains(NamespaceOf(resource.attributes));
    if (!IsAnnounced(resource)) return is_poll_;
    return std::ranges::any_of(PlacesOfOne(resource),
                               [this](const NamespaceName& place) { return touched_.contains(place); });
  };
  Record part;
  for (const RecordEntry& entry : record_) {
    if (is_meant(entry.resource)) part.push_back(entry);
  }
  return part;
}

Result<void, Errors> Lookout::LookInLab() {
  if (context_.ground == Ground::kHolder) {
    const auto users = UserNamespaceOf(context_, lab_);
    if (!users.ok()) return Errors{users.error()};
    // Another holder has other namespaces, in which the old socket has no say.
    if (*users != users_) monitor_.reset();
    is_all_touched_ = is_all_touched_ || *users != users_;
    users_ = *users;
    if (!users_) {
      drift_ = {HolderGone()};
      return {};
    }
  }
  const Record part = PartToLookAt();
  Json seen = TRY(AskInside(part));
  const bool is_whole = is_all_touched_;
  const bool is_renamed = std::exchange(names_, seen["names"].get<std::string>()) != names_;
  Note(part, std::move(seen));
  if (is_whole || !is_renamed) return {};
  is_all_touched_ = true;
  return LookInLab();
}

void Lookout::Note(const Record& part, Json seen) {
  if (is_all_touched_) {
    drift_.clear();
    places_.clear();
    for (const Json& place : seen["places"]) places_.emplace(place[0].get<int>(), place[1].get<std::string>());
  }
  std::unordered_set<std::string> looked_at;
  for (const RecordEntry& entry : part) looked_at.insert(entry.resource.id.text());
  std::erase_if(drift_, [&looked_at](const FoundDrift& known) { return looked_at.contains(known.object); });
  for (Json& one : seen["drift"]) {
    auto row = one["row"].get<std::vector<std::string>>();
    drift_.push_back({.object = row[1], .row = row, .told = std::move(one["told"])});
  }
  touched_.clear();
  is_all_touched_ = false;
}

Result<Json, Errors> Lookout::AskInside(const Record& part) {
  auto channel = rootless::OpenChannel();
  if (!channel.ok()) return Errors{std::move(channel).error()};
  auto& [ours, theirs] = *channel;
  const int to_us = theirs.get();
  auto seen = AskInLab(context_, lab_, Entry::kLook, [&](const Context& inside) -> Result<Json, Errors> {
    auto looked = LookInside(inside, part, to_us);
    if (!looked.ok()) return Errors{std::move(looked).error()};
    return std::move(*looked);
  });
  is_checked_ = is_checked_ || seen.ok();
  theirs.Reset();
  if (monitor_) return seen;
  auto message = rootless::ReceiveMessage(ours.get());
  if (message.ok() && *message && (*message)->fd.is_open()) monitor_ = Monitor::Adopt(std::move((*message)->fd));
  return seen;
}

Result<Json> Lookout::LookInside(const Context& inside, const Record& part, int channel) {
  if (!is_checked_) TRY(OpenRecord(inside, lab_, Access::kLook));
  Json seen = Json::object();
  if (is_all_touched_) seen["places"] = TRY(FollowAll(inside, channel));
  seen["names"] = TRY(NamesIn({.path = inside.namespace_directory}, record_));
  const auto backend = TRY(OpenLinuxBackend(inside.backend_options(lab_)));
  const Observation observed = TRY(backend->Observe(Graph(), part));
  // Rootless, the signal came here only.
  if (Interrupts::asked()) return Interrupted();
  seen["drift"] = Told(FindDrift(part, observed, record_));
  return seen;
}

/// Before the look: what happens from now on is news. The namespaces with their numbers.
Result<Json> Lookout::FollowAll(const Context& inside, int channel) {
  std::optional<Monitor> fresh;
  if (!monitor_) {
    fresh = TRY(Monitor::Open());
    TRY(rootless::SendMessage(channel, "", fresh->fd()));
  }
  Monitor& monitor = monitor_ ? *monitor_ : *fresh;
  const NamespaceDirectory directory{.path = inside.namespace_directory};
  Json places = Json::array();
  for (const NamespaceName& name : PlacesIn(record_)) {
    const auto place = name.empty() ? Namespace::Current() : Namespace::OpenPath(directory.Path(name));
    // One that is gone is found to be so by the look.
    if (place.ok()) places.push_back({TRY(monitor.Follow(*place)), name});
  }
  return places;
}

bool Lookout::IsDue() const { return is_all_touched_ || !touched_.empty() || Clock::now() >= polled_at_ + interval_; }

Status Lookout::Wait(std::chrono::milliseconds limit, int other) {
  const auto end = std::min<Clock::time_point>(Clock::now() + limit, polled_at_ + interval_);
  const Fd either = TRY(EitherOf(monitor_ ? monitor_->fd() : -1, other));
  const auto take = [this]() -> Result<bool> {
    const Monitor::News news = TRY(monitor_->TakeNews());
    if (news.anywhere)
      spdlog::debug("{}: all of it is looked at: announcements were lost, or a namespace is gone", lab_);
    is_all_touched_ = is_all_touched_ || news.anywhere;
    for (const int number : news.places) {
      if (const auto place = places_.find(number); place != places_.end()) touched_.insert(place->second);
    }
    return news.any();
  };
  while (Interrupts::WaitFor(either.get(), std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()))) {
    const bool has_news = monitor_ && TRY(take());
    if (other >= 0 && Interrupts::WaitFor(other, std::chrono::milliseconds(0))) return {};
    if (!has_news) continue;
    // Where changes never end, half of the time is theirs, whatever a look takes.
    const auto burst_end = Clock::now() + std::max<Clock::duration>(kLongestBurst, took_);
    while (Clock::now() < burst_end && Interrupts::WaitFor(monitor_->fd(), kQuiet)) TRY(take());
    return {};
  }
  return {};
}

}  // namespace runner
