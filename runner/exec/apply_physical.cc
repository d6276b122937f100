#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "exec/device.h"
#include "exec/physical.h"
#include "exec/translate.h"
#include "kernel/keepsake.h"
#include "kernel/mark.h"

namespace runner {
namespace {

using Owner = Observed::Owner;

/// Neither a lab's nor a node's name has a dot.
std::string NodeOf(const PhysicalAttributes& physical) {
  return physical.device.ns.substr(physical.device.ns.find('.') + 1);
}

bool IsMarked(const LinkInfo& link, const LentCard& mark) {
  const auto found = ParseLentCard(link.alias);
  return found && found->lab == mark.lab && found->node == mark.node && found->interface == mark.interface;
}

const LinkInfo* FindMarked(const std::vector<LinkInfo>& links, const LentCard& mark) {
  const auto found = std::ranges::find_if(links, [&mark](const LinkInfo& link) { return IsMarked(link, mark); });
  return found == links.end() ? nullptr : &*found;
}

const LinkInfo* FindNamed(const std::vector<LinkInfo>& links, const std::string& name) {
  const auto found = std::ranges::find(links, name, &LinkInfo::name);
  return found == links.end() ? nullptr : &*found;
}

Error NoCard(const std::vector<LinkInfo>& links, const std::string& card) {
  std::vector<std::string> names;
  for (const LinkInfo& link : links) names.push_back(link.name);
  return Fail("move " + Quote(card) + " into the node", "the host has no such interface" + DidYouMean(card, names));
}

Status Lend(ApplyContext& context, const PhysicalAttributes& physical) {
  Session& host = *TRY(context.sessions.Get(""));
  Session& node = *TRY(context.sessions.Get(physical.device.ns));
  const LentCard mark = MarkOf(context.options.lab, physical);
  const auto links = TRY(ReadLinks(host.socket()));
  const LinkInfo* link = FindMarked(links, mark);
  if (link == nullptr) link = FindNamed(links, physical.card);
  if (link == nullptr) return NoCard(links, physical.card);
  host.ForgetLink(link->name);
  node.ForgetLink(physical.device.name);
  // Before it goes: a run that ends here leaves a card that says whose it is.
  LinkUpdate marked;
  marked.group = LinkGroup(context.options.lab);
  marked.alias = mark.text();
  TRY(ChangeLink(host.socket(), link->index, marked));
  LinkUpdate move;
  move.place = &node.place();
  move.name = physical.device.name;
  Status moved = ChangeLink(host.socket(), link->index, move);
  if (!moved.ok()) {
    moved.error().tried = "move " + Quote(physical.card) + " into the node";
    return moved;
  }
  // Only for the link-local address: the card keeps its own address unless the file says otherwise.
  DeviceAttributes wish = physical.device;
  if (!wish.mac) wish.mac = link->mac;
  return BringTo(context, wish, DeviceAttributes{.mac = link->mac});
}

/// From the node, if it is still there, to the host under the name that it had.
Status MoveBack(ApplyContext& context, const PhysicalAttributes& physical, const LentCard& mark) {
  auto session = context.sessions.Get(physical.device.ns);
  // The namespace went before it: the kernel has given the card back itself.
  if (!session.ok() && IsOfGonePlace(session.error())) return {};
  if (!session.ok()) return std::move(session).error();
  Session& node = **session;
  const auto links = TRY(ReadLinks(node.socket()));
  const LinkInfo* link = FindMarked(links, mark);
  if (link == nullptr) return {};
  Session& host = *TRY(context.sessions.Get(""));
  if (TRY(ReadLink(host.socket(), physical.card))) {
    return Fail("give it back to the host", "another interface there is called " + Quote(physical.card) +
                                                " by now; rename that, and `toporun down` goes on");
  }
  node.ForgetLink(link->name);
  host.ForgetLink(physical.card);
  LinkUpdate back;
  back.place = &host.place();
  back.name = physical.card;
  back.up = false;
  return ChangeLink(node.socket(), link->index, back);
}

/// All that it was there, the marks last: with them a run that ends half-way is told from one that is done.
Status Restore(ApplyContext& context, int index, const PhysicalAttributes& physical, const PhysicalAttributes* former) {
  Session& host = *TRY(context.sessions.Get(""));
  if (former != nullptr) {
    DeviceAttributes device = former->device;
    device.ns.clear();
    device.name = physical.card;
    const bool up = device.up.value_or(false);
    device.up = false;
    TRY(BringTo(context, device, DeviceFrom("", TRY(host.LinkOf(physical.card)), "")));
    LinkUpdate state;
    state.up = up;
    TRY(ChangeLink(host.socket(), index, state));
    for (const Error& error : GiveBack(host.socket(), index, former->kept)) {
      context.options.ended(physical.card + " is back on the host, but: " + error.text());
    }
  } else {
    context.options.ended(physical.card +
                          " is back on the host; which addresses and settings it had there is not known any more");
  }
  LinkUpdate marks;
  marks.alias = former == nullptr ? "" : former->alias;
  marks.group = former == nullptr ? 0 : former->group;
  return ChangeLink(host.socket(), index, marks);
}

Status TakeBack(ApplyContext& context, const Action& action, const PhysicalAttributes& physical) {
  const LentCard mark = MarkOf(context.options.lab, physical);
  TRY(MoveBack(context, physical, mark));
  Session& host = *TRY(context.sessions.Get(""));
  const auto links = TRY(ReadLinks(host.socket()));
  const LinkInfo* link = FindMarked(links, mark);
  // A virtual one, which went with its namespace.
  if (link == nullptr) return {};
  host.ForgetLink(link->name);
  host.ForgetLink(physical.card);
  if (link->name != physical.card) {
    LinkUpdate rename;
    rename.up = false;
    TRY(ChangeLink(host.socket(), link->index, rename));
    rename.up.reset();
    rename.name = physical.card;
    TRY(ChangeLink(host.socket(), link->index, rename));
  }
  const auto* former = action.former ? &std::get<PhysicalAttributes>(*action.former) : nullptr;
  // What it was in the node is not what it was before.
  if (former != nullptr && former->lent) former = nullptr;
  return Restore(context, link->index, physical, former);
}

}  // namespace

LentCard MarkOf(const std::string& lab, const PhysicalAttributes& physical) {
  return {.lab = lab, .node = NodeOf(physical), .interface = physical.device.name, .card = physical.card};
}

std::optional<Attributes> ReadCard(SessionPool& sessions, const PhysicalAttributes& physical) {
  auto host = sessions.Get("");
  if (!host.ok()) return std::nullopt;
  NetlinkSocket& socket = (*host)->socket();
  const auto links = ReadLinks(socket);
  if (!links.ok()) return std::nullopt;
  const LinkInfo* link = FindNamed(*links, physical.card);
  if (link == nullptr) return std::nullopt;
  const auto master = std::ranges::find(*links, link->master, &LinkInfo::index);
  auto kept = Keep(socket, link->index);
  if (!kept.ok()) return std::nullopt;
  return PhysicalAttributes{.device = DeviceFrom("", *link, master == links->end() ? "" : master->name),
                            .card = physical.card,
                            .lent = false,
                            .kept = std::move(*kept),
                            .alias = link->alias,
                            .group = link->group};
}

std::optional<Observed> SeePhysical(const NamespaceView& view, const NamespaceName& ns, const std::string& lab,
                                    const PhysicalAttributes& asked, const Attributes* recorded) {
  const LentCard mark = MarkOf(lab, asked);
  PhysicalAttributes now = asked;
  if (ns == asked.device.ns) {
    const LinkInfo* link = view.FindLink(asked.device.name);
    // Its alias may be somebody's by now; where it is on record, it is this one.
    if (link == nullptr || (!IsMarked(*link, mark) && recorded == nullptr)) return std::nullopt;
    now.device = *view.SeeDevice(asked.device.name);
    if (const auto found = ParseLentCard(link->alias)) now.card = found->card;
    return Observed{.attributes = now, .owner = Owner::kOurs};
  }
  for (const auto& [name, link] : view.links()) {
    if (!IsMarked(link, mark)) continue;
    now.device = *view.SeeDevice(name);
    now.device.ns = asked.device.ns;
    now.device.name = asked.device.name;
    now.card = ParseLentCard(link.alias)->card;
    now.lent = false;
    return Observed{.attributes = now, .owner = Owner::kOurs};
  }
  return std::nullopt;
}

Status CheckCard(SessionPool& sessions, const std::string& lab, const PhysicalAttributes& physical) {
  Session& host = *TRY(sessions.Get(""));
  const auto links = TRY(ReadLinks(host.socket()));
  if (FindMarked(links, MarkOf(lab, physical)) != nullptr) return {};
  const LinkInfo* link = FindNamed(links, physical.card);
  if (link == nullptr) return NoCard(links, physical.card);
  const std::string tried = "move " + Quote(physical.card) + " into the node";
  if (link->loopback) return Fail(tried, "no namespace gives its loopback away");
  if (link->group == LinkGroup(lab)) return Fail(tried, "it is an interface of the lab itself");
  return {};
}

Status ApplyPhysical(ApplyContext& context, const Action& action, const PhysicalAttributes& physical) {
  if (action.verb == Verb::kAdopt) return {};
  if (action.verb == Verb::kRemove) {
    // As it is now: another card may be in the file by then.
    const bool seen = action.before.has_value();
    return TakeBack(context, action, seen ? std::get<PhysicalAttributes>(*action.before) : physical);
  }
  const auto* before = action.before ? &std::get<PhysicalAttributes>(*action.before) : nullptr;
  if (before == nullptr || !before->lent || action.replaces) return Lend(context, physical);
  return BringTo(context, physical.device, before->device);
}

}  // namespace runner
