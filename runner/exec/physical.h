// Cards of the host that nodes have for as long as the lab is up.
#pragma once
#include <optional>

#include "exec/namespace_view.h"
#include "exec/session.h"
#include "plan/resource.h"

namespace runner {

/// What the card is on the host, with all that it loses there; nothing where the host has none of that name.
std::optional<Attributes> ReadCard(SessionPool& sessions, const PhysicalAttributes& physical);

/// The mark of the card that this node has or is to have.
LentCard MarkOf(const std::string& lab, const PhysicalAttributes& physical);

/// Where it is, looked at in one namespace: lent in its node's, under way or fallen back at the host's. Nothing where
/// it is not here.
std::optional<Observed> SeePhysical(const NamespaceView& view, const NamespaceName& ns, const std::string& lab,
                                    const PhysicalAttributes& asked, const Attributes* recorded);

/// Before the first change: whether the host has the card, and may give it away.
Status CheckCard(SessionPool& sessions, const std::string& lab, const PhysicalAttributes& physical);

}  // namespace runner
