#include "exec/key_ring.h"

#include <algorithm>
#include <cerrno>

#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

namespace runner {
namespace {

constexpr mode_t kOwnerOnly = 0600;

std::string PathOf(const StateRoot& root, const std::string& lab) { return root.LabFolder(lab) + "/keys"; }

Json Encode(const std::map<std::string, WireguardKey>& keys) {
  Json out = Json::object();
  for (const auto& [name, key] : keys) out[name] = key.text();
  return out;
}

/// False where it does not fit; the error must not show what stands there.
bool Decode(const Json& json, const char* field, std::map<std::string, WireguardKey>& keys) {
  if (!json.is_object() || !json.contains(field) || !json[field].is_object()) return false;
  for (const auto& [name, value] : json[field].items()) {
    const auto key = value.is_string() ? WireguardKey::Parse(value.get_ref<const std::string&>()) : std::nullopt;
    if (!key) return false;
    keys.emplace(name, *key);
  }
  return true;
}

std::optional<WireguardKey> FindIn(const std::map<std::string, WireguardKey>& keys, const std::string& name) {
  const auto found = keys.find(name);
  return found == keys.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

Result<KeyRing> KeyRing::Load(const StateRoot& root, const std::string& lab) {
  KeyRing ring;
  const std::string path = PathOf(root, lab);
  const auto text = ReadFile(path);
  if (!text.ok()) return text.error().code == ENOENT ? Result<KeyRing>(std::move(ring)) : text.error();
  const auto json = ParseJson(*text);
  if (!json.ok() || !Decode(*json, "secrets", ring.secrets_) || !Decode(*json, "made", ring.made_)) {
    return Fail("read " + Quote(path), "it holds no keys as toporun writes them; without it they are made anew");
  }
  return ring;
}

Status KeyRing::Save(const StateRoot& root, const std::string& lab) const {
  const std::string path = PathOf(root, lab);
  const std::string text = JsonText({{"secrets", Encode(secrets_)}, {"made", Encode(made_)}}) + "\n";
  const auto now = ReadFile(path);
  if (!now.ok() && now.error().code == ENOENT && secrets_.empty() && made_.empty()) return {};
  if (now.ok() && *now == text) return {};
  return ReplaceFile(path, text, kOwnerOnly);
}

void KeyRing::KeepOnly(const std::set<std::string>& names) {
  std::erase_if(secrets_, [&names](const auto& entry) { return !names.contains(entry.first); });
}

std::optional<WireguardKey> KeyRing::Find(const std::string& name) const { return FindIn(secrets_, name); }

std::optional<std::string> KeyRing::NameOf(const WireguardKey& secret) const {
  const auto found = std::ranges::find(secrets_, secret, [](const auto& entry) { return entry.second; });
  return found == secrets_.end() ? std::nullopt : std::optional(found->first);
}

std::optional<WireguardKey> KeyRing::FindMade(const std::string& interface) const { return FindIn(made_, interface); }

Result<WireguardKey> Secrets::Find(const std::string& name) {
  if (const auto seen = seen_.Find(name)) return *seen;
  if (!filed_) filed_ = TRY(KeyRing::Load(root_, lab_));
  if (const auto filed = filed_->Find(name)) return *filed;
  return Fail("find the key that " + Quote(name) + " stands for",
              "neither the lab's folder nor the kernel has it; `toporun up` reads it from where the file says");
}

}  // namespace runner
