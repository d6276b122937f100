#include "exec/translate_process.h"

#include <cstdlib>

#include <fmt/format.h>

namespace runner {

process::KeeperSpec KeeperSpecFrom(const ViewAttributes& view, const KeeperPlace& place) {
  process::KeeperSpec spec{.lab = place.lab,
                           .node = view.node,
                           .state_folder = place.state_folder,
                           .node_files = place.node_files,
                           .binds = {},
                           .tmpfs = view.tmpfs,
                           .files = view.files};
  for (const BindAttributes& bind : view.binds) {
    spec.binds.push_back({.host_path = bind.host_path, .path = bind.path, .read_only = bind.read_only});
  }
  return spec;
}

ViewAttributes ViewFrom(const process::KeeperSpec& spec, const ViewAttributes& asked) {
  ViewAttributes view = asked;
  view.binds.clear();
  for (const process::BindSpec& bind : spec.binds) {
    view.binds.push_back({.host_path = bind.host_path, .path = bind.path, .read_only = bind.read_only});
  }
  view.tmpfs = spec.tmpfs;
  view.files = spec.files;
  return view;
}

process::ProcessSpec ProcessSpecFrom(const ProcessAttributes& process) {
  process::ProcessSpec spec{.name = process.name,
                            .command = process.command,
                            .environment = process.environment,
                            .working_dir = process.working_dir,
                            .user = process.user,
                            .healthcheck = {},
                            .restart = process.restart,
                            .stop_signal = process.stop_signal,
                            .stop_grace_period_ms = process.stop_grace_period_ms};
  if (const auto& check = process.healthcheck) {
    spec.healthcheck = process::HealthSpec{.kind = check->kind,
                                           .test = check->test,
                                           .target = check->target,
                                           .interval_ms = check->interval_ms,
                                           .timeout_ms = check->timeout_ms,
                                           .start_period_ms = check->start_period_ms,
                                           .retries = check->retries};
  }
  return spec;
}

ProcessAttributes ProcessFrom(const process::ProcessSpec& spec, const ProcessAttributes& asked) {
  ProcessAttributes process = asked;
  process.command = spec.command;
  process.environment = spec.environment;
  process.working_dir = spec.working_dir;
  process.user = spec.user;
  process.healthcheck.reset();
  if (const auto& check = spec.healthcheck) {
    process.healthcheck = HealthcheckAttributes{.kind = check->kind,
                                                .test = check->test,
                                                .target = check->target,
                                                .interval_ms = check->interval_ms,
                                                .timeout_ms = check->timeout_ms,
                                                .start_period_ms = check->start_period_ms,
                                                .retries = check->retries};
  }
  process.restart = spec.restart;
  process.stop_signal = spec.stop_signal;
  process.stop_grace_period_ms = spec.stop_grace_period_ms;
  return process;
}

mode_t ModeFrom(const std::string& text) { return static_cast<mode_t>(std::strtoul(text.c_str(), nullptr, 8)); }
std::string ModeText(mode_t mode) { return fmt::format("{:04o}", mode); }

}  // namespace runner
