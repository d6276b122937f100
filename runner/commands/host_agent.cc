#include "commands/host_agent.h"

#include "base/json.h"
#include "commands/error_codec.h"

namespace runner {
namespace {

constexpr const char* kLaunch = "launch";
constexpr const char* kCheckPorts = "check ports";

/// The answer's value, or its error.
Result<Json> Ask(const rootless::Outside& outside, const Json& request, int fd = -1) {
  const Json answer = TRY(ParseJson(TRY(outside.Ask(JsonText(request), fd))));
  if (Errors errors = DecodeErrors(answer["errors"]); !errors.empty()) return std::move(errors.front());
  return answer["value"];
}

Result<Json> Launch(const Json& request, const Fd& node_end) {
  const UplinkSpec spec = TRY(UplinkSpec::FromJson(request["spec"]));
  const UplinkProcess process = TRY(LaunchHelper(spec, {}, node_end.get(), -1, "/proc/self/exe"));
  return process.ToJson();
}

Result<Json> CheckPorts(const Json& request) {
  std::vector<ForwardSpec> forwards;
  for (const Json& forward : request["forwards"]) forwards.push_back(TRY(ForwardSpec::FromJson(forward)));
  TRY(CheckPortsFree(forwards, -1));
  return Json();
}

Result<Json> Answer(const rootless::Message& message) {
  const Json request = TRY(ParseJson(message.text));
  const auto what = request["do"].get<std::string>();
  if (what == kLaunch) return Launch(request, message.fd);
  if (what == kCheckPorts) return CheckPorts(request);
  return Fail("answer the process inside", "it asks for " + what);
}

}  // namespace

HostSide AskOutside(const rootless::Outside& outside, const rootless::Holder* holder) {
  HostSide host;
  if (holder != nullptr) host.holder = holder->record.process;
  host.launch = [&outside](const UplinkSpec& spec, int node_end) -> Result<UplinkProcess> {
    return UplinkProcess::FromJson(TRY(Ask(outside, {{"do", kLaunch}, {"spec", spec.ToJson()}}, node_end)));
  };
  host.check_ports = [&outside](const std::vector<ForwardSpec>& forwards) -> Status {
    Json list = Json::array();
    for (const ForwardSpec& forward : forwards) list.push_back(forward.ToJson());
    TRY(Ask(outside, {{"do", kCheckPorts}, {"forwards", std::move(list)}}));
    return {};
  };
  return host;
}

std::string AnswerInside(rootless::Message request) {
  Json json = {{"value", Json()}, {"errors", Json::array()}};
  auto answer = Answer(request);
  if (answer.ok()) {
    json["value"] = std::move(*answer);
  } else {
    json["errors"] = EncodeErrors({std::move(answer).error()});
  }
  return JsonText(json);
}

}  // namespace runner
