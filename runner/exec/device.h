// What all interfaces have in common, whatever their type.
#pragma once
#include <string>

#include "exec/apply.h"
#include "kernel/link.h"

namespace runner {

/// The index of a bridge, bond or VRF; 0 for the empty name.
Result<int> MasterIndex(Session& session, const std::string& master);

/// An interface that comes up has its link-local address already, and without duplicate address detection: that would
/// keep it from asking for its neighbours for two seconds, and what it forwards with it. The kernel finds the address
/// that it would have made.
Status GiveLinkLocal(Session& session, const DeviceAttributes& device);

/// Why a namespace could not be entered: its name is free, or only a stray file of that name is left.
bool IsOfGonePlace(const Error& error);

/// Nothing where the interface is gone, or its namespace.
Result<std::optional<int>> IndexIfThere(ApplyContext& context, const NamespaceName& ns, const std::string& name);

/// What of `wish` differs from `before`, as one update; nothing where all is as it should be.
Status BringTo(ApplyContext& context, const DeviceAttributes& wish, const DeviceAttributes& before);

/// What the creating message says of the device.
LinkSettings SettingsOf(const ApplyContext& context, const DeviceAttributes& device);

/// Success where it is gone already, with its namespace too.
Status DeleteDevice(ApplyContext& context, const NamespaceName& ns, const std::string& name);

/// Outside our own namespaces an interface says whose it is and which resource's.
Status MarkAlias(ApplyContext& context, const DeviceAttributes& device, const std::string& id);

}  // namespace runner
