// The secret keys of a lab's wireguard interfaces: in a file of the lab's folder that nobody else may read, and for as
// long as a run lasts those that the kernel showed. Plan, record and log know a key by what may be known of it: a
// private one by its public half, a shared one by its fingerprint.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "base/wireguard_key.h"
#include "exec/state.h"

namespace runner {

class KeyRing {
 public:
  /// What the lab's file holds; an empty ring where there is none.
  static Result<KeyRing> Load(const StateRoot& root, const std::string& lab);
  /// Replaces the lab's file if the ring differs from it.
  Status Save(const StateRoot& root, const std::string& lab) const;

  /// Forgets secrets that go by no name of these.
  void KeepOnly(const std::set<std::string>& names);

  /// The key that `name` stands for: a public key, or a fingerprint.
  std::optional<WireguardKey> Find(const std::string& name) const;
  void Add(const std::string& name, const WireguardKey& secret) { secrets_.insert_or_assign(name, secret); }
  /// The name of a key, where it is known.
  std::optional<std::string> NameOf(const WireguardKey& secret) const;

  /// Keys that were made for an interface, by NODE:IFNAME.
  std::optional<WireguardKey> FindMade(const std::string& interface) const;
  void AddMade(const std::string& interface, const WireguardKey& secret) { made_.insert_or_assign(interface, secret); }

 private:
  std::map<std::string, WireguardKey> secrets_;
  std::map<std::string, WireguardKey> made_;
};

/// What a run knows of secrets: what it saw first, then the lab's file, which is read when it is needed.
class Secrets {
 public:
  Secrets(StateRoot root, std::string lab) : root_(std::move(root)), lab_(std::move(lab)) {}
  void Learn(const std::string& name, const WireguardKey& secret) { seen_.Add(name, secret); }
  Result<WireguardKey> Find(const std::string& name);

 private:
  StateRoot root_;
  std::string lab_;
  KeyRing seen_;
  std::optional<KeyRing> filed_;
};

}  // namespace runner
