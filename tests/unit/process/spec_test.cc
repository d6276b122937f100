#include "process/spec.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace runner::process {
namespace {

ProcessSpec Full() {
  return {.name = "web",
          .command = {"sh", "-c", "a b"},
          .environment = {"A=1", "B=x=y"},
          .working_dir = "/srv",
          .user = "www",
          .healthcheck = HealthSpec{.kind = "test",
                                    .test = {"true", ""},
                                    .target = "",
                                    .interval_ms = 200,
                                    .timeout_ms = 2000,
                                    .start_period_ms = 5,
                                    .retries = 3},
          .restart = "always",
          .stop_signal = "SIGINT",
          .stop_grace_period_ms = 700};
}

TEST(Spec, ProcessesComeBackFromJson) {
  ProcessSpec plain{.name = "p", .command = {"p"}};
  for (const ProcessSpec& spec : {Full(), plain}) {
    const auto back = ProcessSpec::FromJson(ParseJson(JsonText(spec.ToJson())).value());
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, spec);
  }
}

TEST(Spec, KeepersComeBackFromJson) {
  const KeeperSpec spec{.lab = "lab",
                        .node = "r1",
                        .state_folder = "/run/toporun/lab",
                        .node_files = "/etc/netns/lab.r1",
                        .binds = {{.host_path = "/a", .path = "/b", .read_only = true}},
                        .tmpfs = {"/run/frr"},
                        .files = {"/etc/frr/frr.conf"}};
  const auto back = KeeperSpec::FromJson(spec.ToJson());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, spec);
}

TEST(Spec, StatesComeBackFromJson) {
  ProcessState state{.spec = Full(),
                     .phase = Phase::kWaiting,
                     .health = Health::kUnhealthy,
                     .pid = 7,
                     .has_completed = true,
                     .exit_status = 3,
                     .restarts = 2,
                     .since = "2024-01-01T00:00:00Z",
                     .reason = "refused"};
  const auto back = ProcessState::FromJson(state.ToJson());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(JsonText(back->ToJson()), JsonText(state.ToJson()));
}

TEST(Spec, WhatIsMissingOrOfAnotherTypeIsNamed) {
  for (const char* key : {"name", "command", "restart", "stop_grace_period_ms"}) {
    Json json = Full().ToJson();
    json[key] = Json::object();
    const auto read = ProcessSpec::FromJson(json);
    ASSERT_FALSE(read.ok()) << key;
    EXPECT_NE(read.error().text().find(key), std::string::npos) << read.error().text();
    json.erase(key);
    EXPECT_FALSE(ProcessSpec::FromJson(json).ok()) << key;
  }
  EXPECT_FALSE(ProcessSpec::FromJson(Json::array()).ok());
  EXPECT_FALSE(KeeperSpec::FromJson(Json()).ok());
}

TEST(Spec, AProcessIsThereWhileItIsInHand) {
  const auto is_there = [](Phase phase) { return ProcessState{.phase = phase}.is_there(); };
  EXPECT_TRUE(is_there(Phase::kRunning));
  EXPECT_TRUE(is_there(Phase::kWaiting));
  EXPECT_TRUE(is_there(Phase::kCompleted));
  EXPECT_FALSE(is_there(Phase::kFailed));
  EXPECT_FALSE(is_there(Phase::kStopped));
  EXPECT_FALSE(is_there(Phase::kStopping));
}

TEST(Spec, LongNamesHaveFilesOfTheirOwn) {
  const std::string a(300, 'x');
  const std::string b = a + "y";
  EXPECT_LT(LogPath("/s", "n", a).size(), 255U);
  EXPECT_NE(LogPath("/s", "n", a), LogPath("/s", "n", b));
  EXPECT_EQ(LogPath("/s", "n", "web"), "/s/process-n.web.log");
}

}  // namespace
}  // namespace runner::process
